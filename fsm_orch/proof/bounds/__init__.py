"""What no run can exceed: the certificate, what makes it, and the checker that trusts neither."""
