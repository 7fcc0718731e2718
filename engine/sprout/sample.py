"""Talks to the checkpoint: one question, the ten dialogues of the README, or a small exam in sums.

Greedy unless a temperature is given; then `--seed` fixes the answer.
"""

import argparse
import random
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from data import arithmetic

HERE = Path(__file__).parent
DIALOGUES = [
    ["What is Pomona?"],
    ["How do I add a Mac?"],
    ["Tell me a story about a fox", "Who helped Finn?"],
    ["write a long story about a bear"],
    ["Tell me a short story about a robot."],
    ["hi", "what can you do?", "thanks"],
    ["what happens if my macbook dies in the middle of an answer"],
    ["what is 3 + 4?", "what is 17 + 25?", "count from 1 to 10"],
    ["What is the capital of France?"],
    ["Tell me a story about a zebra", "what's a replica"],
]


class Talker:
    """Keeps model and tokenizer, and answers conversations."""

    def __init__(self, folder, temperature=0.0, limit=1200):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder).float().eval()
        self.temperature, self.limit = temperature, limit

    @torch.no_grad()
    def answer(self, messages):
        """The text of the next answer."""
        ids = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        start, step, cache = len(ids), torch.tensor([ids]), None
        while len(ids) - start < self.limit:
            out = self.model(input_ids=step, past_key_values=cache, use_cache=True)
            token, cache = self.choose(out.logits[0, -1]), out.past_key_values
            if token in (self.tokenizer.eos_token_id, self.tokenizer.pad_token_id):
                break
            ids.append(token)
            step = torch.tensor([[token]])
        return self.tokenizer.decode(ids[start:])

    def choose(self, logits):
        if self.temperature == 0:
            return int(logits.argmax())
        return int(torch.multinomial(torch.softmax(logits / self.temperature, -1), 1))


def talk(talker, questions):
    """Prints a conversation as Markdown."""
    messages = []
    for question in questions:
        messages.append({"role": "user", "content": question})
        answer = talker.answer(messages)
        messages.append({"role": "assistant", "content": answer})
        print(f"**You:** {question}\n\n**sprout:** {answer}\n")
    print("---\n")


def exam(talker, count=200):
    """Asks sums up to twenty and says how many end in the right number, and prints the wrong ones."""
    rng, right = random.Random(99), 0
    for _ in range(count):
        question, expected = arithmetic.sum_turn(rng)
        answer = talker.answer([{"role": "user", "content": question}])
        good = answer.rstrip(".").split(" ")[-1] == expected.split(" ")[-1]
        right += good
        if not good:
            print(f"{question!r}: {answer!r}, expected {expected!r}")
    print(f"{right} of {count} sums are right")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="*", help="one or more turns of a conversation; without any, the ten dialogues")
    parser.add_argument("--model", type=Path, default=HERE / "model", help="folder of the checkpoint (default: model)")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 is greedy (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="for a temperature above 0 (default: %(default)s)")
    parser.add_argument("--exam", action="store_true", help="ask 200 sums instead")
    args = parser.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(args.seed)
    talker = Talker(args.model, args.temperature)
    if args.exam:
        exam(talker)
        return
    for questions in [args.question] if args.question else DIALOGUES:
        talk(talker, questions)


if __name__ == "__main__":
    main()
