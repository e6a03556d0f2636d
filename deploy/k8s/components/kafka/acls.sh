#!/bin/sh
# Generated from rights.yaml by `python -m guanka.kafka_rights`. Run it again when that file changes:
#   acls.sh --bootstrap-server HOST:PORT --command-config ADMIN.properties
set -eu
tool="${KAFKA_ACLS:-/opt/kafka/bin/kafka-acls.sh}"
"$tool" "$@" --add --allow-principal User:codes --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs --operation Write --topic codes.events.v1
"$tool" "$@" --add --allow-principal User:codes --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs --operation Write --topic codes.standings.v1
"$tool" "$@" --add --allow-principal User:codes --operation Describe --operation Read --topic ledger.events.v1
"$tool" "$@" --add --allow-principal User:codes --operation Read --group codes
"$tool" "$@" --add --allow-principal User:checkpoints --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs --operation Write --topic checkpoints.scans.v1
"$tool" "$@" --add --allow-principal User:checkpoints --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs --operation Write --topic checkpoints.events.v1
"$tool" "$@" --add --allow-principal User:checkpoints --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs --operation Write --topic checkpoints.traces.v1
"$tool" "$@" --add --allow-principal User:checkpoints --operation Describe --operation Read --topic codes.standings.v1
"$tool" "$@" --add --allow-principal User:checkpoints --operation Describe --operation Read --topic checkpoints.scans.v1
"$tool" "$@" --add --allow-principal User:checkpoints --operation Describe --operation Read --topic ledger.events.v1
"$tool" "$@" --add --allow-principal User:checkpoints --operation Read --group checkpoints
"$tool" "$@" --add --allow-principal User:ledger --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs --operation Write --topic ledger.events.v1
"$tool" "$@" --add --allow-principal User:ledger --operation Describe --operation Read --topic checkpoints.events.v1
"$tool" "$@" --add --allow-principal User:ledger --operation Describe --operation Read --topic checkpoints.traces.v1
"$tool" "$@" --add --allow-principal User:ledger --operation Describe --operation Read --topic codes.events.v1
"$tool" "$@" --add --allow-principal User:ledger --operation Read --group ledger
"$tool" "$@" --add --allow-principal User:console --operation Describe --operation Read --topic checkpoints.scans.v1
"$tool" "$@" --add --allow-principal User:console --operation Describe --operation Read --topic checkpoints.events.v1
"$tool" "$@" --add --allow-principal User:console --operation Describe --operation Read --topic codes.events.v1
"$tool" "$@" --add --allow-principal User:console --operation Describe --operation Read --topic ledger.events.v1
"$tool" "$@" --add --allow-principal User:console --operation Read --group console
