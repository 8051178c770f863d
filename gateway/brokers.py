"""The Kafka brokers that the settings name, with the certificates that lie in files."""

import ssl

from gateway.settings import Settings, SettingsError
from stores.eventlog.brokers import Brokers, Login


def read_brokers(settings: Settings) -> Brokers | None:
    """Return what every client of Kafka is made with; None where the log lives in Postgres.

    Raises `SettingsError` when a file of a certificate cannot be used.
    """
    if settings.kafka_bootstrap is None:
        return None
    tls = _read_tls(settings) if settings.kafka_security in ("ssl", "sasl_ssl") else None
    mechanism, user, password = settings.kafka_sasl_mechanism, settings.kafka_user, settings.kafka_password
    login = Login(mechanism, user, password) if mechanism and user and password else None
    return Brokers(settings.kafka_bootstrap, tls, login)


def _read_tls(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca_file)
    except (OSError, ValueError) as error:
        raise _unusable("TAGWAY_KAFKA_CA_FILE", error) from None
    if settings.kafka_certificate_file and settings.kafka_key_file:
        try:
            # With no password at all, OpenSSL would ask the terminal for that of a key that has one.
            context.load_cert_chain(settings.kafka_certificate_file, settings.kafka_key_file, password="")
        except (OSError, ValueError) as error:
            raise _unusable("TAGWAY_KAFKA_CERTIFICATE_FILE and TAGWAY_KAFKA_KEY_FILE", error) from None
    return context


def _unusable(names: str, error: OSError | ValueError) -> SettingsError:
    reason = error.reason if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
    return SettingsError(f"{names} cannot be used: {reason or 'not PEM, or the two do not belong together'}")
