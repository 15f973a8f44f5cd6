"""The code behind the figures and pictures of the notebooks; a notebook imports it as `figures`."""
