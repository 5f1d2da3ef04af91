"""kalshi-fix: an institutional FIX gateway and matching exchange for event contracts."""

__version__ = "0.1.0"
