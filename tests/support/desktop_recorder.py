"""A notification service that writes what arrives to a file, a JSON document a line.

Usage: desktop_recorder.py FILE [ANSWER]. The file is made when the service is there. ANSWER is what becomes of a
notification: the name of an action that is chosen at once, `close`, `refuse`, `silence`, or `keep`, which never answers
to its closing. Values are written as GLib writes them, with their types.
"""

import json
import sys

from gi.repository import Gio, GLib

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
INTERFACE = """<node><interface name="org.freedesktop.Notifications">
<method name="Notify">
  <arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
  <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="as" direction="in"/>
  <arg type="a{sv}" direction="in"/><arg type="i" direction="in"/><arg type="u" direction="out"/>
</method>
<method name="CloseNotification"><arg type="u" direction="in"/></method>
<method name="GetCapabilities"><arg type="as" direction="out"/></method>
<method name="GetServerInformation">
  <arg type="s" direction="out"/><arg type="s" direction="out"/>
  <arg type="s" direction="out"/><arg type="s" direction="out"/>
</method>
</interface></node>"""

FILE = sys.argv[1]
ANSWER = sys.argv[2] if len(sys.argv) > 2 else ""
last = 40
shown = set()


def write(document):
    with open(FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps(document) + "\n")


def sender_of(connection, name):
    call = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
    values = [GLib.Variant("(s)", (name,)), GLib.VariantType("(u)"), Gio.DBusCallFlags.NONE, -1, None]
    return connection.call_sync(*call, "GetConnectionUnixUser", *values).unpack()[0]


def notify(connection, sender, values, invocation):
    global last
    names = ["app_name", "replaces_id", "app_icon", "summary", "body", "actions", "hints", "expire_timeout"]
    record = dict(zip(names, values.unpack()))
    hints = values.get_child_value(6)
    entries = [hints.get_child_value(at) for at in range(hints.n_children())]
    plain = {entry.get_child_value(0).get_string(): entry.get_child_value(1).get_variant() for entry in entries}
    record["hints"] = {key: value.print_(True) for key, value in plain.items()}
    record["sender"] = sender_of(connection, sender)
    write(record)
    if ANSWER == "silence":
        return
    if ANSWER == "refuse":
        invocation.return_dbus_error("org.freedesktop.Notifications.Error", "the wall is full")
        return
    last += 2
    shown.add(last)
    invocation.return_value(GLib.Variant("(u)", (last,)))
    if ANSWER == "keep":
        return
    if ANSWER and ANSWER != "close":
        signal(connection, "ActionInvoked", GLib.Variant("(us)", (last, ANSWER)))
    if ANSWER:
        shown.discard(last)
        signal(connection, "NotificationClosed", GLib.Variant("(uu)", (last, 2)))


def signal(connection, name, values):
    # The signal of another notification too, which a client that waits for this one must ignore.
    if name == "NotificationClosed":
        connection.emit_signal(None, PATH, NAME, name, GLib.Variant("(uu)", (last + 1, 2)))
    connection.emit_signal(None, PATH, NAME, name, values)


def called(connection, sender, path, interface, method, values, invocation):
    if method == "Notify":
        notify(connection, sender, values, invocation)
    elif method == "CloseNotification":
        write({"closed": values.unpack()[0]})
        if ANSWER == "keep":
            return
        if values.unpack()[0] not in shown:
            # The specification orders an error without a text.
            invocation.return_dbus_error("org.freedesktop.Notifications.Error", "")
            return
        invocation.return_value(None)
        connection.emit_signal(None, PATH, NAME, "NotificationClosed", GLib.Variant("(uu)", (values.unpack()[0], 3)))
    elif method == "GetCapabilities":
        invocation.return_value(GLib.Variant("(as)", (["actions", "body", "body-markup", "persistence"],)))
    else:
        invocation.return_value(GLib.Variant("(ssss)", ("recorder", "proctool", "1", "1.2")))


def on_bus(connection, _):
    node = Gio.DBusNodeInfo.new_for_xml(INTERFACE)
    connection.register_object(PATH, node.interfaces[0], called, None, None)


def on_name(*_):
    with open(FILE, "a", encoding="utf-8"):
        pass


Gio.bus_own_name(Gio.BusType.SESSION, NAME, Gio.BusNameOwnerFlags.NONE, on_bus, on_name, lambda *_: sys.exit(1))
GLib.MainLoop().run()
