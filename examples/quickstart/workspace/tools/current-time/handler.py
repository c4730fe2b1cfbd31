from datetime import datetime, timezone


def handle(arguments, context):
    return datetime.now(timezone.utc).strftime(arguments["format"])
