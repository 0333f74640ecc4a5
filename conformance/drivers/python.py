"""python.py MODULE HOST PORT USER PASSWORD SCHEMA SCENARIO: the scenario by a DB-API driver."""
import hashlib
import importlib
import sys

module, host, port, user, password, schema, path = sys.argv[1:]
driver = importlib.import_module(module)
secret = {"passwd": password, "db": schema} if module == "MySQLdb" else {"password": password, "database": schema}
db = driver.connect(host=host, port=int(port), user=user, charset="utf8mb4", autocommit=True, **secret)
print(db.get_server_info(), db.get_proto_info(), db.character_set_name())


def show(value):
    if isinstance(value, (str, bytes)) and len(value) > 200:
        raw = value if isinstance(value, bytes) else value.encode()
        return "%s %d %s" % (type(value).__name__, len(value), hashlib.md5(raw).hexdigest())
    return ascii(value)


def parameter(text):
    kind, value = text.split(":", 1)
    if kind == "i":
        return int(value)
    if kind == "d":
        return float(value)
    if kind == "s":
        return value
    if kind == "x":
        return bytes.fromhex(value)
    if kind == "r":
        count, char = value.split(":")
        return char * int(count)
    return None


def sets(cursor):
    while True:
        if cursor.description:
            for column in cursor.description:
                print("  column", ascii(column))
            rows = cursor.fetchall()
            for row in rows[:20]:
                print("  " + " | ".join(show(value) for value in row))
            print("  %d rows" % len(rows))
        print("  count", cursor.rowcount, "id", cursor.lastrowid, "warnings", db.show_warnings() if module == "pymysql" else db.warning_count())
        if not cursor.nextset():
            return


for line in open(path, encoding="utf-8"):
    line = line.rstrip("\n")
    if not line or line[0] == "#":
        continue
    print(ascii(line))
    fields = line.split("\t")
    cursor = db.cursor()
    try:
        if fields[0] == "Q":
            cursor.execute(fields[1])
            sets(cursor)
        elif fields[0] == "P":
            values = [parameter(field) for field in fields[2:]]
            cursor.execute(fields[1].replace("%", "%%").replace("?", "%s") if values else fields[1], values or None)
            sets(cursor)
        else:
            values = [parameter(field) for field in fields[3:]]
            width = len(values) // int(fields[2])
            rows = [values[i:i + width] for i in range(0, len(values), width)]
            print("  many", cursor.executemany(fields[1].replace("?", "%s"), rows), cursor.rowcount)
    except driver.Error as error:
        print("  error", type(error).__name__, ascii(error.args))
    cursor.close()
db.ping()
db.close()
