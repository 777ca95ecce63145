"""The payments processor: asks the fraud detector, then takes the payment."""

from hashlib import sha256

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.processor import Refusal_Fraud, Refusal_Invalid
from wit_world.imports import detector
from wit_world.imports.types import Order

ENOUGH = 50


class Processor(exports.Processor):
    def charge(self, it: Order) -> str:
        if not it.customer.strip():
            raise Err(Refusal_Invalid("no customer"))
        if it.amount == 0:
            raise Err(Refusal_Invalid("nothing to pay"))
        score = detector.rate(it)
        if score.points >= ENOUGH:
            raise Err(Refusal_Fraud(score.points))
        number = sha256(f"{it.customer}/{it.amount}/{it.country}".encode()).hexdigest()
        return f"pay-{number[:8]}"
