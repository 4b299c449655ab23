"""What an audit found, in words and as a contact sheet."""

from pathlib import Path

from training.audit import REASONS, Audit
from training.html import write_html


def write_report(found: Audit, path: Path) -> None:
    """Write what was found as a contact sheet; see `training.html.write_html`."""
    write_html(path, "audit_report.html.j2", audit=found, reasons=REASONS)


def print_audit(found: Audit) -> None:
    """Print what was found: counts, then each picture under its reason."""
    print(f"{found.pictures} pictures")
    for reason, names in found.findings.items():
        if names:
            print(f"{len(names)} {reason}: {REASONS[reason]}")
            for name, note in names.items():
                print(f"  {name}" + (f" ({note})" if note else ""))
