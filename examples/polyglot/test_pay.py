"""`pay.py`, run as its first lines say, on the components that `guests/build` makes."""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "holm"
GUESTS = pathlib.Path(os.environ.get("HOLM_GUESTS_OUT", CACHE / "guests"))


def test_pay(tmp_path: pathlib.Path) -> None:
    (tmp_path / "holm.toml").write_text((HERE / "holm.toml").read_text())
    for part in ["web", "payments", "fraud"]:
        (tmp_path / f"{part}.wasm").symlink_to(GUESTS / f"polyglot-{part}.wasm")
    command = os.environ.get("HOLM", "holm")
    fused = tmp_path / "fused"
    fused.mkdir()
    subprocess.run(
        [command, "compose", "--fuse", "payments", tmp_path, "-o", fused / "shop.wasm"], check=True
    )
    one = "name = 'shop'\n[component.payments]\nsource = 'shop.wasm'\nlimits = { memory = '128 MiB' }\n"
    (fused / "holm.toml").write_text(one)
    # As the app that it is, and as one file.
    for app in [tmp_path, fused]:
        script = [sys.executable, HERE / "pay.py", app]
        said = subprocess.run(script, check=True, capture_output=True, text=True).stdout
        assert said.splitlines() == [
            "paid: pay-da3245dd",
            "refused: it looks like fraud (100 of 100)",
            "refused: no customer",
        ]
