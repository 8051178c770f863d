"""What the settings allow and their author has probably not meant."""

from typing import Final

from gateway.settings import Settings

_THIS_MACHINE: Final = ("127.0.0.1", "localhost", "::1")


async def check_settings(settings: Settings) -> str:
    """Name it; none of it is a fault."""
    doubts = []
    if settings.kafka_security == "sasl_plaintext":
        doubts.append("TAGWAY_KAFKA_SECURITY=sasl_plaintext shows the login to anybody on the way")
    if settings.profile == "dev" and settings.host not in _THIS_MACHINE:
        doubts.append(
            f"TAGWAY_PROFILE=dev serves a demo shop that lets whoever reaches TAGWAY_HOST={settings.host} "
            "speak for any visitor"
        )
    if settings.profile == "production":
        if settings.log_level == "debug":
            doubts.append("TAGWAY_LOG_LEVEL=debug is noisy")
        if settings.public_url is None:
            doubts.append("TAGWAY_PUBLIC_URL is not set, so tags are told the address that a request came to")
        elif settings.public_url.startswith("http://"):
            doubts.append("TAGWAY_PUBLIC_URL is not https")
        if settings.erasure_journal is None:
            doubts.append("TAGWAY_ERASURE_JOURNAL is not set, so a restored backup may bring erased people back")
        if settings.build_metrics_port is None:
            doubts.append("TAGWAY_BUILD_METRICS_PORT is not set, so nobody sees how far builders are")
    return "; ".join(doubts) or "nothing is odd"
