"""``kalshi-fix``: one command per process or tool.

Only what the chosen command needs is imported, so that a core does not carry the client's weight.
A configuration that cannot be used ends in one line and exit code 2.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from kalshi_fix import __version__
from kalshi_fix.adapters.config import DEMO_CONFIG, ConfigError, load, with_port_offset
from kalshi_fix.adapters.paths import DataDir, DataDirError
from kalshi_fix.adapters.redis_url import StoreUrlError
from kalshi_fix.adapters.roster import Roster
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.processes.exit_codes import refuse

app = typer.Typer(
    name="kalshi-fix",
    help="Institutional FIX 4.4 gateway and matching exchange for event contracts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Config = Annotated[Path, typer.Option(help="Configuration file.", show_default="the demo system")]
Data = Annotated[Path, typer.Option(help="Directory that holds all state.")]
PortOffset = Annotated[int, typer.Option(help="Added to every port.")]
DEFAULT_DATA: Final = Path("var")

# command -> module; a Typer called ``app`` in it is a group, else the function of that name
TOOLS: Final = {
    "client": "kalshi_fix.cli_client",
    "decode": "kalshi_fix.cli_decode",
    "why": "kalshi_fix.cli_why",
    "audit": "kalshi_fix.cli_audit",
    "admin": "kalshi_fix.cli_admin",
    "simulate": "kalshi_fix.cli_simulate",
    "top": "kalshi_fix.cli_top",
    "statements": "kalshi_fix.cli_statements",
    "reconcile": "kalshi_fix.cli_reconcile",
}


def _run(config: Path, port_offset: int, data: Path, main: str, *arguments: Any) -> None:
    """Loads the configuration and hands over to a process's ``module:main``."""
    module = importlib.import_module(f"kalshi_fix.processes.{main}")
    settings, directory = _inputs(config, port_offset, data)
    try:
        code: int = module.main(*arguments, settings, directory)
    except StoreUrlError as error:
        code = refuse(str(error))
    raise typer.Exit(code)


def _inputs(config: Path, port_offset: int, data: Path) -> tuple[Settings, DataDir]:
    """The configuration with what operators changed about sessions, and the data directory."""
    try:
        directory = DataDir.create(data)
        return _reread(config, port_offset, directory)(), directory
    except (ConfigError, DataDirError) as error:
        raise typer.Exit(refuse(str(error))) from error


def _reread(config: Path, port_offset: int, data: DataDir) -> Callable[[], Settings]:
    """Reads the configuration, and what operators changed, again; raises ConfigError."""

    def read() -> Settings:
        return Roster.load(data.roster).apply(with_port_offset(load(config), port_offset))

    return read


@app.command()
def run(
    config: Config = DEMO_CONFIG,
    data: Data = DEFAULT_DATA,
    port_offset: PortOffset = 0,
    demo_flow: Annotated[bool, typer.Option(help="Run the demo market maker.")] = True,
) -> None:
    """Run the whole exchange; Ctrl-C stops everything."""
    from kalshi_fix.processes.supervisor import Plan, main  # noqa: PLC0415 - only for this command

    settings, directory = _inputs(config, port_offset, data)
    configured = with_port_offset(load(config), port_offset)
    reread = _reread(config, port_offset, directory)
    plan = Plan(settings, config.absolute(), directory, port_offset, demo_flow, configured, reread)
    raise typer.Exit(main(plan))


@app.command()
def core(
    shard: Annotated[str, typer.Option(help="Shard to serve.")] = "s0",
    config: Config = DEMO_CONFIG,
    data: Data = DEFAULT_DATA,
    port_offset: PortOffset = 0,
) -> None:
    """Run one matching core; a second one of a shard is its hot standby."""
    _run(config, port_offset, data, "core", shard)


@app.command()
def gateway(
    name: Annotated[str, typer.Option(help="Lane to serve.")],
    config: Config = DEMO_CONFIG,
    data: Data = DEFAULT_DATA,
    port_offset: PortOffset = 0,
) -> None:
    """Run one lane's gateway; a second one of a name is its hot standby."""
    _run(config, port_offset, data, "gateway", name)


@app.command()
def marketdata(
    config: Config = DEMO_CONFIG, data: Data = DEFAULT_DATA, port_offset: PortOffset = 0
) -> None:
    """Run the market-data publisher."""
    _run(config, port_offset, data, "marketdata")


@app.command()
def edge(
    config: Config = DEMO_CONFIG, data: Data = DEFAULT_DATA, port_offset: PortOffset = 0
) -> None:
    """Run the session edge, which owns the public ports; SIGHUP: read credentials again."""
    try:
        reread = _reread(config, port_offset, DataDir.create(data))
    except DataDirError as error:
        raise typer.Exit(refuse(str(error))) from error
    _run(config, port_offset, data, "edge", reread)


@app.command("demo-maker", hidden=True)
def demo_maker(
    config: Config = DEMO_CONFIG, data: Data = DEFAULT_DATA, port_offset: PortOffset = 0
) -> None:
    """Run the demo market maker."""
    _run(config, port_offset, data, "demo_maker")


@app.command("admin-service", hidden=True)
def admin_service(
    config: Config = DEMO_CONFIG, data: Data = DEFAULT_DATA, port_offset: PortOffset = 0
) -> None:
    """Run the admin service alone (under ``run`` the supervisor has it)."""
    _run(config, port_offset, data, "admin")


@app.command("hash-password")
def hash_password() -> None:
    """Hash a password or operator token for the configuration; reads it from the terminal."""
    from kalshi_fix.adapters.passwords import hash_password as hashed  # noqa: PLC0415

    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    typer.echo(hashed(password))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def _add_tool(name: str) -> None:
    module: Any = importlib.import_module(TOOLS[name])
    group = getattr(module, "app", None)
    if isinstance(group, typer.Typer):
        app.add_typer(group, name=name)
        return
    app.command(name)(getattr(module, name))


def main() -> None:
    """The program's entry point."""
    chosen = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    for name in [chosen] if chosen else TOOLS:
        if name in TOOLS:
            _add_tool(name)
    app()
