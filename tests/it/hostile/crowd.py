"""Opens connections from an address of this machine, begins a request on each, and holds them.

    crowd.py <port> <own address> <how many> <bytes of the request>

Says how many it has opened, and leaves when its input ends.
"""

import resource
import socket
import sys

port, source, count, length = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
request = (b"GET / HTTP/1.1\r\nvelociraptor: " + b"x" * length)[:length]
held, opened = [], 0
for _ in range(count):
    connection = socket.socket()
    connection.bind((source, 0))
    try:
        connection.connect(("127.0.0.1", port))
        opened += 1
        if request:
            connection.sendall(request)
    except (ConnectionResetError, BrokenPipeError):
        # It has made room for others.
        continue
    held.append(connection)
print(opened, flush=True)
sys.stdin.read()
