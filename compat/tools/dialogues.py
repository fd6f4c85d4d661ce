"""What the console tools say of groups and offsets, command by command, is what they say of Apache Kafka, and what groups write is what they write there (../lib/dialogue.py, dialogues/*.txt)."""

from pathlib import Path

from dialogue import run_dialogue
from harness import check


def dialogue_check(path):
    # Its own broker: a dialogue names its groups and topics plainly, and asks for all of them.
    @check(f"dialogue: {path.stem}", own_broker=True)
    def dialogue(ctx):
        run_dialogue(ctx, ctx.new_broker({"offsets.topic.num.partitions": 1}), path)


for _path in sorted((Path(__file__).parent / "dialogues").glob("*.txt")):
    dialogue_check(_path)
