"""From evidence to ledger: placing, pooling, deciding, and saying where voices disagree."""

from agents.reconciliation.fusion import Fusion, default_fusion
from agents.reconciliation.ledger import reconcile
from agents.reconciliation.placement import place

__all__ = ["Fusion", "default_fusion", "place", "reconcile"]
