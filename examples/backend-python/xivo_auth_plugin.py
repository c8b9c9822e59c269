"""What a plug-in for xivo-auth needs besides its own answers, in Python: the first line, the certificates, the end.

Copy this file, plugin_pb2.py and plugin_pb2_grpc.py beside your plug-in. They need python3-grpcio, python3-protobuf and the
program openssl. The two generated files come from plugin.proto (Debian: protobuf-compiler, protobuf-compiler-grpc):

    protoc -I ../../backends/plugin/proto --python_out=. --grpc_python_out=. \\
        --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" plugin.proto
"""

import base64
import os
import subprocess
import sys
import tempfile
import threading
from concurrent import futures

import grpc

COOKIE = ("XIVO_AUTH_PLUGIN", "f3f0a2f5-6c5b-4a0e-9f5e-7d1c5f3a4b21")
VERSION = 1
# How many calls are answered at a time.
WORKERS = 16


class Rejected(Exception):
    """Refuses a login."""


def answering(method):
    """Makes a method of a servicer refuse with UNAUTHENTICATED, and keep what failed to itself."""

    def answer(self, request, context):
        try:
            return method(self, request, context)
        except Rejected:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "login rejected")
        except Exception as e:  # the text may quote the password
            print(f"{method.__name__} failed: {type(e).__name__}", file=sys.stderr, flush=True)
            context.abort(grpc.StatusCode.UNKNOWN, type(e).__name__)

    return answer


def serve(register):
    """Serves until xivo-auth is done with us. register(server) adds the servicers."""
    if os.environ.get(COOKIE[0]) != COOKIE[1]:
        sys.exit("This program is a plug-in: xivo-auth starts it.")
    ended = threading.Event()
    server = grpc.server(futures.ThreadPoolExecutor(WORKERS), options=[("grpc.max_receive_message_length", 4 << 20)])
    register(server)
    server.add_generic_rpc_handlers((_health(), _controller(ended)))
    with tempfile.TemporaryDirectory(dir=os.environ.get("PLUGIN_UNIX_SOCKET_DIR")) as folder:
        key, certificate, der = _certificate(folder)
        credentials = grpc.ssl_server_credentials(
            [(key, certificate)], root_certificates=os.environ["PLUGIN_CLIENT_CERT"].encode(), require_client_auth=True
        )
        address = os.path.join(folder, "plugin")
        server.add_secure_port("unix:" + address, credentials)
        server.start()
        print(f"1|{VERSION}|unix|{address}|grpc|{base64.b64encode(der).decode().rstrip('=')}", flush=True)
        threading.Thread(target=_end_with_host, args=(ended,), daemon=True).start()
        ended.wait()
        server.stop(1).wait()


def _certificate(folder):
    """A key and a certificate for this run only."""
    key, certificate = os.path.join(folder, "key"), os.path.join(folder, "certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "36500",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    with open(key, "rb") as f:
        key_pem = f.read()
    os.remove(key)
    with open(certificate, "rb") as f:
        pem = f.read()
    return key_pem, pem, base64.b64decode(b"".join(pem.splitlines()[1:-1]))


def _health():
    """The standard health service: always SERVING (field 1, value 1)."""
    check = grpc.unary_unary_rpc_method_handler(lambda request, context: b"\x08\x01")
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check})


def _controller(ended):
    """The request to end."""

    def shutdown(request, context):
        ended.set()
        return b""

    return grpc.method_handlers_generic_handler("plugin.GRPCController", {"Shutdown": grpc.unary_unary_rpc_method_handler(shutdown)})


def _end_with_host(ended):
    """Standard input ends when xivo-auth is gone."""
    while os.read(0, 4096):
        pass
    ended.set()
