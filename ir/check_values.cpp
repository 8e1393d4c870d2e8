// check_values.cpp: the words.
#include "ir/check_values.h"

#include "ir/diagnostics.h"

namespace tenon {
namespace {

/// "weight 'embed'", "'h'", or the type of a value that nobody named.
std::string told(const Value* value) {
  const Node& node = *value->node();
  const std::string name = "'" + node.attributes.string("name").str() + "'";
  if (node.op() == Op::kInput) return "input " + name;
  if (node.op() == Op::kWeight) return "weight " + name;
  if (node.op() == Op::kState) return "state " + name;
  return value->name().empty() ? value->type().text() : "'" + value->name().str() + "'";
}

}  // namespace

void check_cache_fit(const Node& write, int64_t first) {
  int64_t capacity = write.operand(0)->type().shape[2].extent();
  const int64_t tokens = write.operand(1)->type().shape[2].extent();
  if (write.attributes.flag("pages")) capacity *= write.operand(3)->type().shape[1].extent();
  if (first >= 0 && first <= capacity - tokens) return;
  throw Error("cache: " + std::to_string(tokens) + " tokens" + " at position " + std::to_string(first) +
                  " do not fit the capacity of " + std::to_string(capacity) + " of " +
                  told(write.operand(0)) + " (" + told(write.operand(2)) + ")",
              write.location);
}

void check_page(const Node& write, int64_t row, int64_t page) {
  const int64_t pool = write.operand(0)->type().shape[0].extent();
  if (page >= 0 && page < pool) return;
  throw Error("cache: row " + std::to_string(row) + " names page " + std::to_string(page) + ", " +
                  told(write.operand(0)) + " has " + std::to_string(pool) + " (" + told(write.operand(3)) +
                  ")",
              write.location);
}

int64_t checked_index(const Node& node, int64_t index, int64_t extent) {
  if (index < -extent || index >= extent)
    throw Error("index " + std::to_string(index) + " is outside an axis of " + std::to_string(extent) +
                    " of " + told(node.operand(0)) + " (" + told(node.operand(1)) + ")",
                node.location);
  return index < 0 ? index + extent : index;
}

}  // namespace tenon
