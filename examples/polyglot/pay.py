"""Charges orders from Python: the payments processor, with the fraud detector in it, is a module.

    holm compose --fuse payments examples/polyglot -o payments.wasm
    python examples/polyglot/pay.py payments.wasm
"""

import sys

import holm


def pay(shop, customer: str, amount: int, country: str) -> str:
    """Charges one order; says how that ended."""
    refusal = shop.processor.Refusal
    try:
        number = shop.processor.charge({"customer": customer, "amount": amount, "country": country})
    except holm.Err as error:
        match error.value:
            case refusal.Invalid(why):
                return f"refused: {why}"
            case refusal.Fraud(points):
                return f"refused: it looks like fraud ({points} of 100)"
    return f"paid: {number}"


if __name__ == "__main__":
    payments = holm.load(sys.argv[1], limits={"memory": "128 MiB"})
    print(pay(payments, "Ada Lovelace", 1250, "GB"))
    print(pay(payments, "r2d2", 200_000, "AQ"))
    print(pay(payments, " ", 1, "GB"))
