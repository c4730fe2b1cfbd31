async def handle(arguments, context):
    return {"sum": sum(arguments["numbers"]), "asked_by": context.agent_id}
