"""What no run can exceed: the certificate, its maker, and a verifier that trusts neither of them."""
