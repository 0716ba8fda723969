"""Secrets from the system's own store: the Windows Credential Manager, or what else the library ``keyring`` knows.

``acc.password = "keyring:"`` asks for the service «aforo» and the user «acc.password»; ``keyring:NAME`` for another
service. The library is an extra (``aforo[keyring]``), and is only imported where it is asked for.
"""

from aforo.errors import BadSetting
from aforo.settings.sources import Given, Layer
from aforo.settings.table import rows

_PREFIX, _SERVICE = "keyring:", "aforo"


def with_vault_read(layer: Layer) -> Layer:
    """The layer with each ``keyring:`` replaced by what is kept there; raises BadSetting for what is not."""
    return {name: _read(name, given) if _is_kept(name, given) else given for name, given in layer.items()}


def _is_kept(name: str, given: Given) -> bool:
    row = rows().get(name)
    return row is not None and row.from_file and isinstance(given.value, str) and given.value.startswith(_PREFIX)


def _read(name: str, given: Given) -> Given:
    service = given.value.removeprefix(_PREFIX).strip() or _SERVICE
    try:
        import keyring  # noqa: PLC0415 -- an extra
        from keyring.errors import KeyringError  # noqa: PLC0415
    except ImportError as exc:
        raise BadSetting(
            f"El ajuste {name} ({given.origin}) está en el almacén del sistema, y falta con qué leerlo.",
            remedy="Instale el extra: pip install 'aforo[keyring]'.",
        ) from exc
    try:
        secret = keyring.get_password(service, name)
    except (KeyringError, RuntimeError) as exc:
        raise BadSetting(
            f"El almacén de credenciales del sistema no da {name} ({given.origin}): {type(exc).__name__}.",
            remedy="Compruebe que esta cuenta lo puede abrir, o use un archivo (…_file).",
        ) from exc
    if not secret:
        raise BadSetting(
            f"El almacén de credenciales del sistema no tiene «{name}» del servicio «{service}» ({given.origin}).",
            remedy=f"Guárdelo con la cuenta que ejecuta el programa: keyring set {service} {name}",
        )
    return Given(secret, f"almacén de credenciales, servicio {service} ({given.origin})")
