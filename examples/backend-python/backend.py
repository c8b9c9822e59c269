#!/usr/bin/python3 -B
"""A backend for xivo-auth in Python: users with their passwords and accesses come from users.json.

    {"alice": {"password": "pbkdf2:<iterations>:<salt, hex>:<hash, hex>", "access": ["confd.users.me.read"]}}

The setting "users" names another file. `backend.py hash` reads a password and prints what to put into the file.
"""

import getpass
import hashlib
import hmac
import json
import os
import sys
import uuid

import plugin_pb2
import plugin_pb2_grpc
from xivo_auth_plugin import answering, serve

SPACE = uuid.UUID("0f8a2d1c-93a7-4f0e-8f3b-2a86d5c3b9e4")
ABSENT = "pbkdf2:210000:00:00"  # an unknown login costs what a wrong password costs


def make_hash(password, iterations=210000, salt=None):
    salt = salt or os.urandom(16)
    return f"pbkdf2:{iterations}:{salt.hex()}:{hashlib.pbkdf2_hmac('sha256', password.encode(), salt, iterations).hex()}"


def matches(password, stored):
    _, iterations, salt, _ = stored.split(":")
    if "\0" in password:  # PBKDF2 does not see zeros at the end
        return False
    return hmac.compare_digest(make_hash(password, int(iterations), bytes.fromhex(salt)), stored)


class Backend(plugin_pb2_grpc.PluginServicer, plugin_pb2_grpc.BackendServicer):
    users = "users.json"

    @answering
    def Load(self, request, context):
        self.users = json.loads(request.settings_json or "{}").get("users", self.users)
        self._read()
        return plugin_pb2.LoadAnswer()

    def _read(self):
        with open(self.users, encoding="utf-8") as f:
            return json.load(f)

    @answering
    def VerifyPassword(self, request, context):
        user = self._read().get(request.request.login)
        good = matches(request.request.password, user["password"] if user else ABSENT)
        return plugin_pb2.VerifyPasswordAnswer(accepted=good and user is not None)

    @answering
    def AccessList(self, request, context):
        user = self._read().get(request.subject.login, {})
        return plugin_pb2.AccessListAnswer(access=user.get("access", []))

    @answering
    def Metadata(self, request, context):
        login = request.subject.login
        metadata = {"auth_id": str(uuid.uuid5(SPACE, login)), "username": login, "pbx_user_uuid": None}
        return plugin_pb2.MetadataAnswer(metadata_json=json.dumps(metadata).encode())


def register(server):
    backend = Backend()
    plugin_pb2_grpc.add_PluginServicer_to_server(backend, server)
    plugin_pb2_grpc.add_BackendServicer_to_server(backend, server)


if __name__ == "__main__":
    if sys.argv[1:] == ["hash"]:
        print(make_hash(getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")))
    else:
        serve(register)
