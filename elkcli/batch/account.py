"""What a batch spends, counted while it runs: as money, and for `elkcli usage`."""

from __future__ import annotations

from elkcli.batch.tally import Tally
from elkcli.environment import Environment
from elkcli.errors import ElkError
from elkcli.prices import cost
from elkcli.storage.settings import Resolved
from elkcli.terminal.messages import Messages


class Account:
    """Takes what was spent out of a tally. ``money`` is the sum so far, ``None`` while no price was known."""

    def __init__(self, environment: Environment, resolved: Resolved, messages: Messages) -> None:
        self.money: float | None = None
        self._environment = environment
        self._resolved = resolved
        self._messages = messages
        self._keeps = resolved.settings.history
        self._warned = False

    def take(self, tally: Tally) -> None:
        """Count what was spent since the last time."""
        spent, tally.spent = tally.spent, {}
        requests = dict(tally.requests)
        tally.requests.clear()
        if not spent:
            return
        prices = self._resolved.file.prices
        for model, usage in spent.items():
            money = cost(usage, prices.get(model) or prices.get(self._resolved.settings.model))
            if money is not None:
                self.money = (self.money or 0.0) + money
        if not self._keeps:
            return
        try:
            from elkcli.storage.history import History

            with History.open(self._environment.data_dir) as history:
                for model, usage in spent.items():
                    history.spend(model, self._resolved.profile, usage, requests=requests[model])
        except ElkError as problem:
            if not self._warned:
                self._warned = True
                self._messages.warn(f"the tokens are not counted for `elkcli usage`: {problem.message}")
