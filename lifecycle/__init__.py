"""The verbs, and all side effects behind them. Nothing here prints."""
