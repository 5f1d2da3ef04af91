"""What is put right about the engine's sockets from outside."""

import fcntl
import os
import socket
import threading
from pathlib import Path

from gateway_support import wait_until

from kalshi_fix.adapters.engine_sockets import Ended, Wire, connections_on, descriptor_in_use


def connection() -> tuple[socket.socket, socket.socket, int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far = server.accept()[0]
        return near, far, server.getsockname()[1]


def connection_under(number: int) -> tuple[socket.socket, socket.socket]:
    """Closes a descriptor; its number is another connection's from then on."""
    near, far, _ = connection()
    os.close(number)
    taken = socket.socket(fileno=fcntl.fcntl(far.fileno(), fcntl.F_DUPFD, number))
    far.close()
    assert taken.fileno() == number
    return near, taken


def test_the_socket_a_thread_works_on_is_found() -> None:
    near, far, port = connection()
    thread = threading.Thread(target=lambda: far.recv(1))
    thread.start()
    assert thread.native_id is not None
    wait_until(lambda: descriptor_in_use(thread.native_id, port) == far.fileno())
    assert descriptor_in_use(thread.native_id, port + 1) is None
    near.send(b"x")
    thread.join(2)
    assert descriptor_in_use(thread.native_id, port) is None
    near.close()
    far.close()


def test_sockets_that_come_and_go_while_they_are_looked_for_are_no_error() -> None:
    near, far, port = connection()
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            socket.socket().close()

    crowd = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in crowd:
        thread.start()
    for _ in range(500):
        assert far.fileno() in connections_on(port)
    stop.set()
    for thread in crowd:
        thread.join(5)
    near.close()
    far.close()


def test_a_closed_socket_is_followed_by_an_ended_one_under_its_number() -> None:
    near, far, _ = connection()
    ended = Ended()
    wire = Wire(far.fileno(), ended)
    number = far.detach()
    os.close(number)  # as the engine does
    wire.stand_in()
    assert os.read(number, 1) == b""
    wire.close()
    ended.close()
    assert not Path(f"/proc/self/fd/{number}").exists()
    near.close()


def test_a_connection_that_got_the_number_is_ended_not_read() -> None:
    near, far, _ = connection()
    ended = Ended()
    wire = Wire(far.fileno(), ended)
    number = far.detach()
    other_near, taken = connection_under(number)
    owner = threading.Thread(target=lambda: (taken.recv(1), taken.close()))
    owner.start()
    wire.stand_in()
    owner.join(2)
    assert os.read(number, 1) == b""
    assert other_near.recv(1) == b""
    wire.close()
    ended.close()
    for left in (near, other_near):
        left.close()


def test_a_number_that_is_not_given_up_is_taken() -> None:
    near, far, _ = connection()
    ended = Ended()
    wire = Wire(far.fileno(), ended)
    number = far.detach()
    other_near, taken = connection_under(number)
    wire.stand_in()  # nobody reads or closes the other connection
    assert os.read(number, 1) == b""
    assert other_near.recv(1) == b""
    taken.detach()
    wire.close()
    assert not Path(f"/proc/self/fd/{number}").exists()
    ended.close()
    for left in (near, other_near):
        left.close()


def test_one_number_may_be_needed_by_several_ended_connections() -> None:
    near, far, _ = connection()
    ended = Ended()
    wire = Wire(far.fileno(), ended)
    number = far.detach()
    os.close(number)
    wire.stand_in()
    again = Wire(number, ended)  # a later connection's end, before the first was tidied up
    again.stand_in()
    wire.close()
    assert os.read(number, 1) == b""
    again.close()
    assert not Path(f"/proc/self/fd/{number}").exists()
    ended.close()
    near.close()
