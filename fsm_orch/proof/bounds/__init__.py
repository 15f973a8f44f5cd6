"""What no run can exceed: the certificate, what makes it, and the verifier that trusts neither."""
