-- The steps of a run as the reference's clients know them, read out of its log. `steps` of the core crate does the same.
-- Where the reference left a table of this name, the table stays.
CREATE VIEW IF NOT EXISTS {p}execution_steps AS
SELECT
    execution_id,
    step_type,
    row_number() OVER (PARTITION BY execution_id ORDER BY entry, place) - 1 AS sequence,
    data,
    duration_ms,
    created_at
FROM (
    SELECT
        execution_id,
        sequence AS entry,
        -1 AS place,
        'llm_call' AS step_type,
        json_object(
            'model', data ->> 'model',
            'input_tokens', data -> '$.tokens.input_tokens',
            'output_tokens', data -> '$.tokens.output_tokens',
            'cost_usd', coalesce(data ->> 'cost_usd', 0.0),
            'has_tool_calls', json(iif(coalesce(json_array_length(data, '$.tool_calls'), 0) > 0, 'true', 'false')),
            'content', substr(data ->> 'text', 1, 2048),
            'tool_calls_count', coalesce(json_array_length(data, '$.tool_calls'), 0)
        ) AS data,
        data ->> 'duration_ms' AS duration_ms,
        created_at
    FROM {p}execution_log
    WHERE kind = 'model_turn'
    UNION ALL
    SELECT
        log.execution_id,
        log.sequence,
        call.key,
        'tool_call',
        json_object(
            'tool_name', call.value ->> 'name',
            'call_id', call.value ->> 'id',
            'arguments', CASE
                WHEN json_type(call.value, '$.arguments._malformed') = 'text'
                    AND (SELECT count(*) FROM json_each(call.value, '$.arguments')) = 1
                THEN json_object('_raw', call.value ->> '$.arguments._malformed')
                ELSE call.value -> 'arguments'
            END
        ),
        0,
        log.created_at
    FROM {p}execution_log AS log, json_each(log.data, '$.tool_calls') AS call
    WHERE log.kind = 'model_turn'
    UNION ALL
    SELECT
        execution_id,
        sequence,
        -1,
        'tool_result',
        json_object(
            'tool_name', data ->> 'name',
            'call_id', data ->> 'call_id',
            'success', json(iif(data ->> 'outcome' = 'succeeded', 'true', 'false')),
            'result', substr(data ->> 'content', 1, 2048),
            'truncated', json(iif(data ->> 'cut_from' IS NOT NULL OR length(data ->> 'content') > 2048, 'true', 'false'))
        ),
        data ->> 'duration_ms',
        created_at
    FROM {p}execution_log
    WHERE kind = 'tool_turn'
);
