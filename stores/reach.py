"""Why a server could not be reached, in words that hold neither secrets nor data."""

import ssl

from domain.errors import StoreUnavailable


def tls_fault(error: BaseException | None) -> str | None:
    """Say what the server does wrong where TLS is the fault, else None."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"shows a certificate that is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"does not agree on TLS: {error.reason}"
    return None


def unreachable(name: str, error: BaseException) -> StoreUnavailable:
    """Make the error to raise, by what lies at the bottom of what a driver has raised."""
    root = error
    while (below := root.__cause__ or root.__context__) is not None:
        root = below
    if (fault := tls_fault(root)) is not None:
        return StoreUnavailable(f"{name} {fault}")
    if isinstance(root, FileNotFoundError | PermissionError):  # of a certificate, or of a socket
        return StoreUnavailable(f"{name} is not reachable: {root.strerror}")
    return StoreUnavailable(f"{name} is not reachable")
