"""What goes wrong with a device, and right again: DeviceSilent, DeviceDrifted, DeviceRecovered."""

from __future__ import annotations

from chassis.outbox import Event
from chassis.timestamps import stamp_of
from services.checkpoints.domain.events import DeviceDrifted, DeviceRecovered, DeviceSilent
from services.checkpoints.messages.topics import OURS
from wire.checkpoints.v1 import events_pb2 as words


def device_event(told: DeviceSilent | DeviceDrifted | DeviceRecovered) -> Event:
    shared = {
        "device_id": told.device.device_id,
        "device_kind": told.device.kind.value,
        "checkpoint_id": str(told.checkpoint.checkpoint_id),
        "area": told.checkpoint.area,
    }
    message: words.DeviceSilent | words.DeviceDrifted | words.DeviceRecovered
    match told:
        case DeviceSilent():
            message = words.DeviceSilent(**shared, since=stamp_of(told.at))
        case DeviceDrifted():
            message = words.DeviceDrifted(**shared, since=stamp_of(told.at), deviation_c=told.deviation_c)
        case DeviceRecovered():
            message = words.DeviceRecovered(**shared, trouble=told.trouble.value, at=stamp_of(told.at))
    return Event(
        type=OURS + type(told).__name__,
        aggregatetype="device",
        aggregateid=told.device.device_id,
        subject=f"device/{told.device.device_id}",
        revision=told.revision,
        time=told.at,
        payload=message.SerializeToString(),
        district=told.checkpoint.district,
    )
