"""What is put right about the engine's sockets from outside."""

import os
import socket
import threading
from pathlib import Path

from gateway_support import rig, wait_until

from kalshi_fix.adapters.engine_sockets import Wire, descriptor_in_use, descriptor_waited_on


def connection() -> tuple[socket.socket, socket.socket, int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far = server.accept()[0]
        return near, far, server.getsockname()[1]


def test_the_socket_a_thread_waits_on_or_sends_on_is_found() -> None:
    near, far, port = connection()
    thread = threading.Thread(target=lambda: far.recv(1))
    thread.start()
    assert thread.native_id is not None
    wait_until(lambda: descriptor_in_use(thread.native_id, port) == far.fileno())
    assert descriptor_in_use(thread.native_id, port + 1) is None
    near.send(b"x")
    thread.join(2)
    assert descriptor_in_use(thread.native_id, port) is None
    assert descriptor_waited_on(thread.native_id, port) is None
    near.close()
    far.close()


def test_a_closed_socket_is_followed_by_an_ended_one_under_its_number() -> None:
    near, far, _ = connection()
    wire = Wire(far.fileno())
    number = far.detach()
    os.close(number)  # as the engine does
    wire.stand_in()
    assert os.read(number, 1) == b""
    wire.close()
    assert not Path(f"/proc/self/fd/{number}").exists()
    near.close()


def test_a_connection_that_got_the_number_is_ended_not_read() -> None:
    near, far, _ = connection()
    wire = Wire(far.fileno())
    number = far.detach()
    other_near, other_far, _ = connection()
    os.close(number)
    moved = os.dup(other_far.fileno())  # the lowest free number
    assert moved == number
    other_far.close()
    taken = socket.socket(fileno=moved)
    owner = threading.Thread(target=lambda: (taken.recv(1), taken.close()))
    owner.start()
    wire.stand_in()
    owner.join(2)
    assert os.read(number, 1) == b""
    assert other_near.recv(1) == b""
    wire.close()
    for left in (near, other_near):
        left.close()


def test_clients_that_come_and_go_at_once_never_get_each_others_bytes(tmp_path: Path) -> None:
    with rig(tmp_path, handover_seconds=2.0) as system:
        names = ("ALPHA-RT", "BRAVO-RT")
        failures: list[BaseException] = []

        def come_and_go(name: str) -> None:
            try:
                for number in range(25):
                    client = system.client(name)
                    assert client.log_on(reset=True).msg_type == "A"
                    client.order(f"{name}{number}")
                    assert client.receive().get(11) == f"{name}{number}"
                    client.log_out()
            except BaseException as error:  # noqa: BLE001 - told to the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=come_and_go, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert failures == []
        wait_until(lambda: all(system.lane.links[name].outbox.is_away for name in names))
