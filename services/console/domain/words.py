"""The words on the screens, Chinese and English; an identifier that is new to this page is shown as it is, once.

Ledgers and stages are not among them: their titles come from the ledger's definitions (`domain/titles.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Label:
    zh: str
    en: str


ALARMS: Mapping[str, Label] = {
    "person_stopped": Label("卡口拦下", "Stopped"),
    "let_in_offline": Label("离线误放", "Let in offline"),
    "fever": Label("发热", "Fever"),
    "deadline_passed": Label("超过时限", "Overdue"),
    "contact_let_go": Label("解除密接", "Contact let go"),
    "person_not_found": Label("未找到人员", "Not found"),
    "person_left_city": Label("已离开本市", "Left the city"),
    "device_silent": Label("设备离线", "Device silent"),
    "device_drifted": Label("设备偏差", "Device drifts"),
    "measurement_overdue": Label("复测超时", "Hot reading unfinished"),
    "trace_held": Label("溯源待复核", "Trace waits for approval"),
    "clock_off": Label("闸机时钟不准", "Gate clock wrong"),
}

PROCESS_STATES: Mapping[str, Label] = {
    "ok": Label("正常", "OK"),
    "waiting": Label("等待", "Waiting"),
    "away": Label("失联", "Away"),
}


def label_of(words: Mapping[str, Label], identifier: str) -> Label:
    return words.get(identifier) or unnamed(identifier)


def unnamed(identifier: str) -> Label:
    """One word for both languages is shown once."""
    return Label(identifier.replace("_", " "), "")
