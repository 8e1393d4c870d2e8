// Choosing and correcting a card for a GPU.
#include "runtime/cuda/card_at_hand.h"

#include "llvm/ADT/StringRef.h"

namespace tenon::cuda {
namespace {

// The number in "sm_90a": 90.
int number_of(llvm::StringRef arch) {
  int number = 0;
  arch.drop_front(3).rtrim('a').getAsInteger(10, number);
  return number;
}

// The table's names are the product's in lower case without blanks: "h200" is in "nvidiah200".
bool bears_name(const Gpu& gpu, llvm::StringRef card) {
  std::string name;
  for (const char c : llvm::StringRef(gpu.name).lower())
    if (c != ' ' && c != '-') name += c;
  std::string wanted;
  for (const char c : card)
    if (c != '_' && c != '-') wanted += c;
  return llvm::StringRef(name).contains(wanted);
}

// Longer names first: an L40S is no L4.
const Card* named_card(const Gpu& gpu) {
  const Card* best = nullptr;
  for (const Card& card : cards())
    if (bears_name(gpu, card.name) && (!best || card.name.size() > best->name.size())) best = &card;
  return best;
}

const Card* elder_card(const Gpu& gpu) {
  const int number = gpu.compute_major * 10 + gpu.compute_minor;
  const Card* best = nullptr;
  for (const Card& card : cards())
    if (number_of(card.arch) <= number && (!best || number_of(card.arch) > number_of(best->arch)))
      best = &card;
  return best;
}

}  // namespace

Card card_at_hand(const Gpu& gpu) {
  const Card* reference = named_card(gpu);
  if (!reference) reference = elder_card(gpu);
  if (!reference)
    throw machine_error("the GPU " + gpu.name + " is " + gpu.arch() +
                        "; Tenon's kernels need sm_80 or later");
  Card card = *reference;
  card.arch = gpu.arch();
  card.sms = gpu.multiprocessors;
  card.l2_bytes = gpu.l2_bytes;
  card.shared_bytes_per_block = gpu.shared_bytes_per_block;
  return card;
}

}  // namespace tenon::cuda
