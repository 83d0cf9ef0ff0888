#!/usr/bin/env python3
"""Loads an export of Tributary (`GET /api/export`) into an SQLite file, and checks it.

    tributary_import.py --into archive.sqlite export.ndjson [more.ndjson ...]
    tributary_import.py --dump archive.sqlite
    tributary_import.py --fetch archive.sqlite --files FOLDER --from https://tributary.example

An export that was broken off goes on with `?cursor=`: give its parts in their order. Each
line is checked against the format's schema (docs/export.schema.json). It exits with 1 when
a line is not as described, and when the last one is missing: then it says where to go on,
and what was there is in the archive.

--fetch gets the files that the export names, with the session token in TRIBUTARY_TOKEN. What
is in the folder already is not fetched again, so it goes on where it was broken off: with a
new token when the old one is over.

Python 3.9 or newer, and nothing else.
"""

import argparse
import contextlib
import hashlib
import json
import mimetypes
import os
import pathlib
import sqlite3
import sys
import time
import urllib.error
import urllib.request

from schema import Schema, Wrong

VERSION = 1
SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "docs" / "export.schema.json"

TABLES = """
CREATE TABLE IF NOT EXISTS message (
    id TEXT PRIMARY KEY, conversation_id TEXT, room_id TEXT, event_id TEXT, timestamp TEXT,
    sender TEXT, type TEXT, body TEXT, json TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS message_order ON message (room_id, timestamp, event_id);
CREATE TABLE IF NOT EXISTS version (
    event_id TEXT, room_id TEXT, message_id TEXT, at TEXT, body TEXT, content TEXT, json TEXT NOT NULL,
    PRIMARY KEY (room_id, event_id));
CREATE INDEX IF NOT EXISTS version_message ON version (message_id);
CREATE TABLE IF NOT EXISTS conversation (
    id TEXT PRIMARY KEY, title TEXT, read_marker TEXT, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS room (room_id TEXT PRIMARY KEY, conversation_id TEXT);
CREATE TABLE IF NOT EXISTS connection (id TEXT PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS file (
    id TEXT PRIMARY KEY, kind TEXT, file_name TEXT, mime_type TEXT, size INTEGER, sha256 TEXT,
    state TEXT, url TEXT);
"""


PIECE = 1 << 20
TRIES = 5


class Broken(Exception):
    """The export is not whole, or not one; or not all of its files came."""


class Import:
    """Takes the lines of an export, part by part."""

    def __init__(self, archive, schema):
        self.archive, self.schema = archive, schema
        self.user = self.cursor = None
        self.is_whole = False
        self.lines = {}

    def part(self, lines):
        """Takes a file's lines; one that was cut off at its end is left out."""
        self.is_whole, is_first = False, True
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):
                break
            try:
                value = json.loads(line)
                self.schema.check(value)
            except (ValueError, Wrong) as error:
                raise Broken(f"line {number}: {error}") from None
            if is_first != (value["type"] == "header"):
                raise Broken(f"line {number}: one header, and at the beginning")
            is_first = False
            getattr(self, value["type"])(value)
            self.cursor = value.get("cursor", self.cursor)

    def header(self, line):
        if line["version"] != VERSION:
            raise Broken(f"version {line['version']} is not known here")
        if self.user not in (None, line["userId"]):
            raise Broken("the parts are of different users")
        if self.user is None and line["resumed"]:
            raise Broken("the part before this one is missing: name all parts at once, in their order")
        self.user, self.lines = line["userId"], dict.fromkeys(
            ("message", "version", "conversation", "connection"), 0)

    def message(self, line):
        it = line["message"]
        self.put("message", line, it["id"], it["conversationId"], line["roomId"], it["matrixEventId"],
                 it["timestamp"], it["sender"]["matrixUserId"], it["type"], it["body"], json.dumps(it))

    def version(self, line):
        it = line["version"]
        self.put("version", line, it["eventId"], line["roomId"], line["messageId"], it["at"], it["body"],
                 json.dumps(line["content"]), json.dumps(it))

    def conversation(self, line):
        it = line["conversation"]
        self.put("conversation", line, it["id"], it["title"], json.dumps(line["readMarker"]), json.dumps(it))
        for room in line["roomIds"]:
            self.insert("room", room, it["id"])

    def connection(self, line):
        it = line["connection"]
        self.put("connection", line, it["id"], json.dumps(it))

    def end(self, line):
        if self.lines != line["lines"]:
            raise Broken(f"there are {self.lines}, and {line['lines']} were sent")
        self.is_whole = True

    def put(self, table, line, *row):
        self.insert(table, *row)
        self.lines[table] += 1
        for file in line.get("media", []):
            names = "id kind fileName mimeType size sha256 state url".split()
            self.insert("file", *(file[name] for name in names))

    def insert(self, table, *row):
        places = ", ".join("?" * len(row))
        self.archive.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", row)


def dump(archive):
    """The archive as it would be read: conversations with their messages, the oldest first."""
    def rows(sql, *values):
        return [json.loads(row[0]) for row in archive.execute(sql, values)]

    conversations = []
    for identity, read_marker, text in archive.execute(
            "SELECT id, read_marker, json FROM conversation ORDER BY id"):
        # By the room: two conversations may have become one while the export went on.
        messages = rows("SELECT m.json FROM message m JOIN room USING (room_id) WHERE room.conversation_id = ?"
                        " ORDER BY m.timestamp, m.event_id", identity)
        for message in messages:
            versions = rows("SELECT json FROM version WHERE message_id = ? ORDER BY event_id <> ?, at, event_id",
                            message["id"], message["matrixEventId"])
            if versions:
                message["versions"] = versions
        conversations.append({"conversation": json.loads(text), "readMarker": json.loads(read_marker),
                              "messages": messages})
    names = "id kind fileName mimeType size sha256 state url".split()
    files = [dict(zip(names, row)) for row in archive.execute("SELECT * FROM file ORDER BY id")]
    return {"conversations": conversations, "files": files,
            "connections": rows("SELECT json FROM connection ORDER BY id")}


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """The token is for nobody else."""

    def redirect_request(self, *_):
        return None


class Files:
    """Fetches the files that an archive names into a folder: the id, and what it ends with by its type."""

    def __init__(self, folder, base, token):
        self.folder, self.base, self.token = folder, base.rstrip("/"), token
        self.opener = urllib.request.build_opener(NoRedirects)

    def fetch(self, archive):
        """How many came, how many were there, and how many are gone since the export."""
        self.folder.mkdir(parents=True, exist_ok=True)
        came = there = gone = 0
        for identity, mime_type, sha256, url in archive.execute(
                "SELECT id, mime_type, sha256, url FROM file WHERE state = 'stored' ORDER BY id"):
            path = self.folder / (identity + (mimetypes.guess_extension(mime_type or "") or ""))
            if path.exists():
                there += 1
            elif self.get(url, path, sha256):
                came += 1
            else:
                gone += 1
        return came, there, gone

    def get(self, url, path, sha256):
        """Fetches one, which is whole when it has its name; false when there is none any more."""
        for _ in range(TRIES):
            request = urllib.request.Request(self.base + url, headers={"Authorization": f"Bearer {self.token}"})
            try:
                with self.opener.open(request, timeout=60) as answer:
                    self.keep(answer, path, sha256)
                return True
            except urllib.error.HTTPError as refused:
                refused.close()
                if refused.code == 404:
                    return False
                if refused.code == 401:
                    raise Broken("the token is over, or none of this Tributary's: go on with another one") from None
                if refused.code not in (429, 503):
                    raise Broken(f"{url}: {refused.code}") from None
                time.sleep(float(refused.headers.get("Retry-After") or 1))
            except OSError as error:
                raise Broken(f"{url}: {error}") from None
        raise Broken(f"{url}: too busy")

    @staticmethod
    def keep(answer, path, sha256):
        """Writes what is sent, and gives it its name if it is what the export says."""
        part, digest = path.with_name(path.name + ".part"), hashlib.sha256()
        with part.open("wb") as file:
            while piece := answer.read(PIECE):
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != sha256:
            raise Broken(f"{path.name}: it is not what the export says")
        part.rename(path)


def load(archive, parts, schema):
    archive.executescript(TABLES)
    reader = Import(archive, schema)
    with archive:
        for path in parts:
            with open(path, encoding="utf-8", newline="\n") as lines:
                reader.part(lines)
    if not reader.is_whole:
        where = f"go on with ?cursor={reader.cursor}" if reader.cursor else "begin again"
        raise Broken(f"the end is missing: {where}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    what = arguments.add_mutually_exclusive_group(required=True)
    what.add_argument("--into", metavar="ARCHIVE", help="the SQLite file to load into")
    what.add_argument("--dump", metavar="ARCHIVE", help="prints what is in an archive, as JSON")
    what.add_argument("--fetch", metavar="ARCHIVE", help="gets the files that an archive names")
    arguments.add_argument("--files", metavar="FOLDER", type=pathlib.Path, help="where they go")
    arguments.add_argument("--from", metavar="URL", dest="base", help="where Tributary is")
    arguments.add_argument("--schema", type=pathlib.Path, default=SCHEMA)
    arguments.add_argument("parts", nargs="*", help="the export, in its parts")
    given = arguments.parse_args()
    if given.fetch and not (given.files and given.base and os.environ.get("TRIBUTARY_TOKEN")):
        arguments.error("--fetch needs --files, --from and TRIBUTARY_TOKEN")
    with contextlib.closing(sqlite3.connect(given.into or given.dump or given.fetch)) as archive:
        if given.dump:
            json.dump(dump(archive), sys.stdout, indent=1)
            return 0
        try:
            if given.fetch:
                files = Files(given.files, given.base, os.environ["TRIBUTARY_TOKEN"])
                print("{} came, {} were there, {} are gone".format(*files.fetch(archive)))
                return 0
            load(archive, given.parts, Schema(json.loads(given.schema.read_text(encoding="utf-8"))))
        except Broken as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
