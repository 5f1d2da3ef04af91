"""Reads the TOML configuration into `Settings`: strictly, and with one clear line when it is wrong.

Unknown keys are errors. The line names file, key and what is allowed. What the settings mean is
not known here; that they fit together is (`config_rules`).
"""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import cattrs
from attrs import evolve, fields, has
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, override

from kalshi_fix.adapters import settings as s
from kalshi_fix.adapters import units
from kalshi_fix.adapters.config_rules import check, complete

DEMO_CONFIG: Final = Path(__file__).resolve().parents[2] / "config" / "demo.toml"


_TLS_FILES: Final = ("certificate", "key", "client_ca", "client_revoked")


class ConfigError(Exception):
    """The configuration cannot be used. The message is one line for a person; exit code 2."""


# fields that people write in other units than the code uses
_UNITS: Final[dict[type[Any], dict[str, Callable[[Any], Any]]]] = {
    s.AccountSettings: {"deposit": units.money},
    s.SeriesSettings: {
        "taker_rate": units.rate,
        "maker_rate": units.rate,
        "multiplier": units.hundredths,
    },
    s.MarketSettings: {
        "price_ranges": units.price_ranges,
        "open_at": units.instant,
        "close_at": units.instant,
        "expected_expiry_at": units.instant,
        "position_limit": units.quantity,
        "price_band": units.price,
        "halt_band": units.price,
    },
    s.SessionSettings: {"old_credentials_until": units.instant},
    s.LimitSettings: {"limits": units.limits},
    s.SegmentSettings: {"limits": units.limits},
}


def load(path: Path) -> s.Settings:
    """Reads and checks a configuration file.

    Raises:
        ConfigError: it cannot be read, is not TOML, or something in it is not allowed.
    """
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    return _with_absolute_paths(from_document(document, str(path)), path.absolute().parent)


def from_document(document: Mapping[str, Any], source: str) -> s.Settings:
    """Settings from a parsed document; ``source`` stands first in an error's line.

    Raises:
        ConfigError: something in it is not allowed.
    """
    fault = _shape_fault(document, s.Settings, "")
    if fault:
        raise ConfigError(f"{source}: {fault}")
    try:
        settings = _converter().structure(document, s.Settings)
    except ClassValidationError as error:
        key, why = _first_fault(error)
        raise ConfigError(f"{source}: {key}: {why}") from error
    settings = complete(settings)
    fault = check(settings)
    if fault:
        raise ConfigError(f"{source}: {fault}")
    return settings


def structure_session(row: Mapping[str, Any], source: str) -> s.SessionSettings:
    """One session's settings from plain values.

    Raises:
        ConfigError: something in it is not allowed.
    """
    try:
        return _converter().structure(row, s.SessionSettings)
    except ClassValidationError as error:
        key, why = _first_fault(error)
        raise ConfigError(f"{source}: {key}: {why}") from error


def _with_absolute_paths(settings: s.Settings, directory: Path) -> s.Settings:
    tls = settings.edge.tls
    files = {name: getattr(tls, name) for name in _TLS_FILES}
    found: dict[str, Any] = {name: str(directory / file) for name, file in files.items() if file}
    return evolve(settings, edge=evolve(settings.edge, tls=evolve(tls, **found)))


def demo_settings() -> s.Settings:
    """The demo system: what ``kalshi-fix run`` runs without ``--config``."""
    return load(DEMO_CONFIG)


def with_port_offset(settings: s.Settings, offset: int) -> s.Settings:
    """The same system on other ports: ``offset`` is added to every one.

    Raises:
        ConfigError: a port would leave 1..65535.
    """
    metrics = settings.metrics
    edge = settings.edge
    moved = evolve(
        settings,
        edge=evolve(edge, ports={role: port + offset for role, port in edge.ports.items()}),
        metrics=evolve(
            metrics,
            core=metrics.core + offset,
            gateway=metrics.gateway + offset,
            marketdata=metrics.marketdata + offset,
            edge=metrics.edge + offset,
            supervisor=metrics.supervisor + offset,
        ),
        sessions=tuple(
            evolve(session, port=session.port + offset) if session.port else session
            for session in settings.sessions
        ),
    )
    fault = check(moved)
    if fault:
        raise ConfigError(f"--port-offset {offset}: {fault}")
    return moved


def _shape_fault(value: Any, kind: Any, path: str) -> str:
    """Where a table or a list is something else; cattrs would iterate over text and numbers."""
    key = path.lstrip(".")
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            return f"{key}: allowed is a list, not {value!r}"
        of = get_args(kind)[0]
        faults = (_shape_fault(item, of, f"{path}[{n}]") for n, item in enumerate(value))
    elif has(kind):
        if not isinstance(value, Mapping):
            return f"{key}: allowed is a table, not {value!r}"
        kinds = {attribute.name: attribute.type for attribute in fields(kind)}
        faults = (
            _shape_fault(item, kinds[name], f"{path}.{name}")
            for name, item in value.items()
            if name in kinds and name not in _UNITS.get(kind, {})
        )
    else:
        return ""
    return next((fault for fault in faults if fault), "")


def _plain(kind: type[Any], name: str) -> Callable[[Any, Any], Any]:
    """A value of exactly this type: nothing is guessed from text."""

    def read(value: Any, _type: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"allowed is {name}, not {value!r}")
        return value

    return read


def _number(value: Any, _type: Any) -> float:
    if type(value) not in {int, float}:
        raise ValueError(f"allowed is a number, not {value!r}")
    return float(value)


def _in_units(convert: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def read(value: Any, _type: Any) -> Any:
        try:
            return convert(value)
        except ValueError as error:
            raise ValueError(f"allowed is {error}, not {value!r}") from None

    return read


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(int, _plain(int, "a whole number"))
    converter.register_structure_hook(str, _plain(str, "text in quotes"))
    converter.register_structure_hook(bool, _plain(bool, "true or false"))
    converter.register_structure_hook(float, _number)
    for cls, table in _UNITS.items():
        hooks = {name: override(struct_hook=_in_units(unit)) for name, unit in table.items()}
        hook = make_dict_structure_fn(
            cls,
            converter,
            _cattrs_forbid_extra_keys=True,
            **hooks,  # type: ignore[arg-type]  # the stub takes the flags' type for all keywords
        )
        converter.register_structure_hook(cls, hook)
    return converter


def _first_fault(error: BaseException, path: str = "") -> tuple[str, str]:
    """Key and reason of the first thing wrong, from cattrs' tree of errors."""
    if isinstance(error, ClassValidationError | IterableValidationError):
        inner = error.exceptions[0]
        return _first_fault(inner, path + _step(inner))
    if isinstance(error, ForbiddenExtraKeysError):
        extra = min(error.extra_fields)
        known = ", ".join(sorted(attribute.name for attribute in fields(error.cl)))
        return f"{path}.{extra}".lstrip("."), f"unknown key; allowed are {known}"
    if isinstance(error, KeyError):
        return path.lstrip("."), "is missing"
    return path.lstrip("."), str(error) or type(error).__name__


def _step(error: BaseException) -> str:
    """The part of the path an error of cattrs adds."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return f".{note.name}"
        if isinstance(note, IterableValidationNote):
            return f"[{note.index}]"
    return ""
