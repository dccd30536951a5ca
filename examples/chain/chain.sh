#!/bin/sh
# The whole recipe on your own data: tokenizer and fresh small model, contrastive training, hard negatives, a
# cross-encoder, distillation from it, and what every stage was worth.
#
#   sh examples/chain/chain.sh DATA WORK
#
# DATA is a folder with three files; README.md beside this script says what stands in them. WORK is a folder for all
# that is made. A chain that was stopped goes on when it is started again. On a processor with two cores the numbers
# below take about an hour.
set -eu

VOCAB=${VOCAB:-24000}           # pieces of the tokenizer
STEPS_1=${STEPS_1:-450}         # of stage 1
BATCH_1=${BATCH_1:-768}         # pairs
WARMUP_1=${WARMUP_1:-20}        # steps
QUERIES=${QUERIES:-20000}       # that hard negatives are mined for
EPOCHS_R=${EPOCHS_R:-1}         # of the cross-encoder
EPOCHS_2=${EPOCHS_2:-2}         # of stage 2
BATCH_2=${BATCH_2:-128}         # query groups
HELD_OUT=${HELD_OUT:-300}       # questions of a language that are measured, and never trained on
TASK_1=${TASK_1:-}              # a bitext task to measure stage 1 with, before and after; none when empty
PYTHON=${PYTHON:-python}

[ $# -eq 2 ] || { echo "usage: sh examples/chain/chain.sh DATA WORK" >&2; exit 2; }
mkdir -p "$2"
DATA=$(cd "$1" && pwd) WORK=$(cd "$2" && pwd)
cd "$(dirname "$0")/../.."

train() {
    recipe=$1
    shift
    echo "== $recipe" >&2
    "$PYTHON" app.py train "examples/chain/$recipe.yaml" --resume "$@"
}

"$PYTHON" -m trainer.evaluation.make_retrieval_task "$DATA/questions.jsonl" --out "$WORK/task" --train "$WORK/qa-train.jsonl" \
    --max-queries "$HELD_OUT"
train tokenizer out="$WORK/tokenizer" vocab_size="$VOCAB" \
    sources.0.path="$DATA/parallel.tsv" sources.1.path="$DATA/titles.jsonl"
train stage1 out="$WORK/stage1" start.tokenizer="$WORK/tokenizer" \
    sources.0.path="$DATA/parallel.tsv" sources.1.path="$DATA/titles.jsonl" \
    optim.batch_size="$BATCH_1" optim.steps="$STEPS_1" optim.warmup_steps="$WARMUP_1" \
    ${TASK_1:+"evaluate={tasks: ['$TASK_1']}"}
train negatives out="$WORK/groups/groups.jsonl" model="$WORK/stage1/model" sources.0.path="$WORK/qa-train.jsonl" \
    max_queries="$QUERIES"
train reranker out="$WORK/reranker" start.model="$WORK/stage1/model" groups.0="$WORK/groups/groups.jsonl" \
    optim.epochs="$EPOCHS_R"
train teacher groups="$WORK/groups/groups.jsonl" out="$WORK/groups/scored.jsonl" model="$WORK/reranker/model"
train stage2 out="$WORK/stage2" start.model="$WORK/stage1/model" sources.0.path="$WORK/groups/scored.jsonl" \
    optim.batch_size="$BATCH_2" optim.epochs="$EPOCHS_2"

echo "== evaluate" >&2
"$PYTHON" app.py evaluate "$WORK/task" --model "$WORK/stage1/model" --compare "$WORK/stage2/model"
"$PYTHON" app.py evaluate "$WORK/task" --model bm25
grep -hs '"mean"' "$WORK"/*/evaluations.jsonl || true  # what was measured during the runs
