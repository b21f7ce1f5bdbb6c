"""The state machine, drawn.

load → gate → experts ⇉ expert → regions → retrieve → reconcile → write → verify ⟲
     → review → finalise
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from agents.nodes.evidence import reconcile_evidence, regions, retrieve
from agents.nodes.experts import EXPERT_NODE, expert, experts, ready, send
from agents.nodes.intake import admitted, gate, load
from agents.nodes.review import finalise, review
from agents.nodes.writing import unsettled, verify, write
from agents.session import Session
from agents.state import DraftState
from tools.contract import Expert, Role

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph


def build_graph(
    roles: Mapping[Role, Expert], checkpoints: BaseCheckpointSaver[str]
) -> CompiledStateGraph[DraftState, Session, DraftState, DraftState]:
    """The compiled graph for these experts, keeping its checkpoints there."""

    def after_gate(state: DraftState) -> str:
        return "experts" if admitted(state) else END

    def next_wave(state: DraftState) -> list[Send] | str:
        return [send(role, state) for role in ready(state, roles)] or "regions"

    def after_verify(state: DraftState) -> str:
        return "write" if unsettled(state) else "review"

    graph = StateGraph(DraftState, context_schema=Session)
    nodes: dict[str, Any] = {
        "load": load,
        "gate": gate,
        "experts": experts,
        EXPERT_NODE: expert,
        "regions": regions,
        "retrieve": retrieve,
        "reconcile": reconcile_evidence,
        "write": write,
        "verify": verify,
        "review": review,
        "finalise": finalise,
    }
    for name, node in nodes.items():
        graph.add_node(name, node)

    graph.add_edge(START, "load")
    graph.add_edge("load", "gate")
    graph.add_conditional_edges("gate", after_gate, ["experts", END])
    graph.add_conditional_edges("experts", next_wave, [EXPERT_NODE, "regions"])
    graph.add_edge(EXPERT_NODE, "experts")
    graph.add_edge("regions", "retrieve")
    graph.add_edge("retrieve", "reconcile")
    graph.add_edge("reconcile", "write")
    graph.add_edge("write", "verify")
    graph.add_conditional_edges("verify", after_verify, ["write", "review"])
    graph.add_edge("review", "finalise")
    graph.add_edge("finalise", END)
    return graph.compile(checkpointer=checkpoints, name="draft")
