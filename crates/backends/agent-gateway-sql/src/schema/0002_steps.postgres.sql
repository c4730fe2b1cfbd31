-- The steps of a run as the reference's clients know them, read out of its log. `steps` of the core crate does the same.
-- Where the reference left a table of this name, the table stays.
DO $view$
BEGIN
IF to_regclass('{p}execution_steps') IS NULL THEN
CREATE VIEW {p}execution_steps AS
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
        CAST(-1 AS BIGINT) AS place,
        'llm_call' AS step_type,
        json_build_object(
            'model', data ->> 'model',
            'input_tokens', data -> 'tokens' -> 'input_tokens',
            'output_tokens', data -> 'tokens' -> 'output_tokens',
            'cost_usd', CASE
                WHEN data ->> 'cost_usd' IS NULL THEN CAST('0.0' AS JSON) ELSE data -> 'cost_usd'
            END,
            'has_tool_calls', coalesce(json_array_length(data -> 'tool_calls'), 0) > 0,
            'content', substr(data ->> 'text', 1, 2048),
            'tool_calls_count', coalesce(json_array_length(data -> 'tool_calls'), 0)
        ) AS data,
        CAST(data ->> 'duration_ms' AS BIGINT) AS duration_ms,
        created_at
    FROM {p}execution_log
    WHERE kind = 'model_turn'
    UNION ALL
    SELECT
        log.execution_id,
        log.sequence,
        call.place,
        'tool_call',
        json_build_object(
            'tool_name', call.value ->> 'name',
            'call_id', call.value ->> 'id',
            'arguments', CASE
                WHEN json_typeof(call.value -> 'arguments' -> '_malformed') = 'string'
                THEN CASE
                    WHEN (SELECT count(*) FROM json_object_keys(call.value -> 'arguments')) = 1
                    THEN json_build_object('_raw', call.value -> 'arguments' ->> '_malformed')
                    ELSE call.value -> 'arguments'
                END
                ELSE call.value -> 'arguments'
            END
        ),
        CAST(0 AS BIGINT),
        log.created_at
    FROM {p}execution_log AS log, json_array_elements(log.data -> 'tool_calls') WITH ORDINALITY AS call (value, place)
    WHERE log.kind = 'model_turn'
    UNION ALL
    SELECT
        execution_id,
        sequence,
        CAST(-1 AS BIGINT),
        'tool_result',
        json_build_object(
            'tool_name', data ->> 'name',
            'call_id', data ->> 'call_id',
            'success', data ->> 'outcome' = 'succeeded',
            'result', substr(data ->> 'content', 1, 2048),
            'truncated', data ->> 'cut_from' IS NOT NULL OR length(data ->> 'content') > 2048
        ),
        CAST(data ->> 'duration_ms' AS BIGINT),
        created_at
    FROM {p}execution_log
    WHERE kind = 'tool_turn'
) AS steps;
END IF;
END
$view$;
