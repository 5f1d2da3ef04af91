"""The model's enumerations as plain ints and strings.

Commands arrive from msgpack as plain values and events leave as plain values; an enumeration
member in between costs time and packs differently in a snapshot. Names are the model's.
"""

from typing import Final

from kalshi_fix import model

BUY: Final = int(model.Side.BUY)
SELL: Final = int(model.Side.SELL)

MARKET: Final = int(model.OrdType.MARKET)
LIMIT: Final = int(model.OrdType.LIMIT)

DAY: Final = int(model.TimeInForce.DAY)
GTC: Final = int(model.TimeInForce.GTC)
IOC: Final = int(model.TimeInForce.IOC)
FOK: Final = int(model.TimeInForce.FOK)
GTD: Final = int(model.TimeInForce.GTD)

POST_ONLY: Final = int(model.ExecInst.POST_ONLY)
REDUCE_ONLY: Final = int(model.ExecInst.REDUCE_ONLY)

CANCEL_INCOMING: Final = int(model.SelfTrade.CANCEL_INCOMING)
CANCEL_RESTING: Final = int(model.SelfTrade.CANCEL_RESTING)
CANCEL_BOTH: Final = int(model.SelfTrade.CANCEL_BOTH)

POSS_DUP: Final = int(model.Repeat.POSS_DUP)
POSS_RESEND: Final = int(model.Repeat.POSS_RESEND)

MAKER: Final = int(model.Liquidity.MAKER)
TAKER: Final = int(model.Liquidity.TAKER)
NO_LIQUIDITY: Final = int(model.Liquidity.NONE)

# OrdStatus, tag 39
NEW: Final = model.OrdStatus.NEW.value
PARTIALLY_FILLED: Final = model.OrdStatus.PARTIALLY_FILLED.value
FILLED: Final = model.OrdStatus.FILLED.value
CANCELED: Final = model.OrdStatus.CANCELED.value
REJECTED: Final = model.OrdStatus.REJECTED.value
EXPIRED: Final = model.OrdStatus.EXPIRED.value

# ExecType, tag 150
EXEC_NEW: Final = model.ExecType.NEW.value
EXEC_CANCELED: Final = model.ExecType.CANCELED.value
EXEC_REPLACED: Final = model.ExecType.REPLACED.value
EXEC_EXPIRED: Final = model.ExecType.EXPIRED.value
EXEC_TRADE: Final = model.ExecType.TRADE.value
EXEC_TRADE_CANCEL: Final = model.ExecType.TRADE_CANCEL.value

# MarketStatus
INITIALIZED: Final = model.MarketStatus.INITIALIZED.value
ACTIVE: Final = model.MarketStatus.ACTIVE.value
PAUSED: Final = model.MarketStatus.PAUSED.value
CLOSED: Final = model.MarketStatus.CLOSED.value
DETERMINED: Final = model.MarketStatus.DETERMINED.value
DISPUTED: Final = model.MarketStatus.DISPUTED.value
SETTLED: Final = model.MarketStatus.SETTLED.value

PRICE_UNIT: Final = model.PRICE_UNIT
MONEY_UNIT: Final = model.MONEY_UNIT
NANOS: Final = model.NANOS
NANOS_PER_MS: Final = model.NANOS_PER_MS
