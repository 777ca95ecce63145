"""Charges orders from Python: the payments processor is a module, and the fraud detector that it is
linked to runs behind it, each with the grants and limits of the manifest.

    python examples/polyglot/pay.py examples/polyglot
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
    payments = holm.load(sys.argv[1], component="payments")
    print(pay(payments, "Ada Lovelace", 1250, "GB"))
    print(pay(payments, "r2d2", 200_000, "AQ"))
    print(pay(payments, " ", 1, "GB"))
