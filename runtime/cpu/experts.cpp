// experts.cpp: products of rows with the matrices chosen for each: rows are gathered by expert, so that each
// expert's weights are read once, and only where some row has chosen it.
#include <algorithm>

#include "ir/diagnostics.h"
#include "runtime/convert.h"
#include "runtime/cpu/gemm.h"
#include "runtime/cpu/operations.h"
#include "runtime/cpu/thread_pool.h"

namespace tenon::cpu {
namespace {

constexpr int64_t kColumns = 128;  // of the result, by one task

/// The choices that name one expert, in their order.
struct Group {
  int64_t expert = 0;
  std::vector<int64_t> choices;
  std::vector<float> rows;  ///< of x, one for each choice
};

std::vector<Group> group_choices(const Node& node, const View& ids, int64_t experts) {
  const std::vector<int64_t> chosen = integers_of(ids);
  std::vector<std::vector<int64_t>> by_expert(experts);
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i] < 0 || chosen[i] >= experts)
      throw Error("experts: router_ids holds " + std::to_string(chosen[i]) + ", and there are " +
                      std::to_string(experts) + " experts",
                  node.location);
    by_expert[chosen[i]].push_back(static_cast<int64_t>(i));
  }
  std::vector<Group> groups;
  for (int64_t e = 0; e < experts; ++e)
    if (!by_expert[e].empty()) groups.push_back({e, std::move(by_expert[e]), {}});
  return groups;
}

struct GroupedProduct {
  const View &x, &w;
  Tensor result;
  int64_t columns, depth, choices_of_row;

  void gather(Group& group) const {
    Walk walk(x);
    group.rows.resize(group.choices.size() * depth);
    for (size_t i = 0; i < group.choices.size(); ++i)
      walk.load(group.choices[i] / choices_of_row * depth, depth, group.rows.data() + i * depth);
  }

  /// Columns [first, first + count) of one group's rows.
  void block(const Group& group, int64_t first, int64_t count, std::byte* out) const {
    thread_local std::vector<float> weights, sums;
    const int64_t rows = static_cast<int64_t>(group.choices.size());
    const View panel{w.storage,
                     {count, depth},
                     {w.strides[1], w.strides[2]},
                     w.offset + group.expert * w.strides[0] + first * w.strides[1]};
    Panel right{reinterpret_cast<const float*>(panel.data()), w.strides[2], w.strides[1]};
    if (w.dtype() != DType::kF32) {
      weights.resize(std::max<size_t>(weights.size(), count * depth));
      Walk(panel).load(0, count * depth, weights.data());
      right = {weights.data(), 1, depth};
    }
    sums.resize(std::max<size_t>(sums.size(), rows * count));
    gemm(rows, count, depth, {group.rows.data(), depth, 1}, right, 0, sums.data(), count);
    for (int64_t i = 0; i < rows; ++i)
      store(sums.data() + i * count, count, result.dtype(),
            out + (group.choices[i] * columns + first) * size_of(result.dtype()));
  }
};

}  // namespace

View grouped_matmul(const Node& node, Operands operands) {
  const View &x = operands[0], &w = operands[1], &ids = operands[2];
  std::vector<Group> groups = group_choices(node, ids, w.extents[0]);
  GroupedProduct product{x,
                         w,
                         Tensor::uninitialised(node.type()),
                         w.extents[1],
                         w.extents[2],
                         x.rank() == ids.rank() ? ids.extents.back() : 1};
  if (product.result.elements() == 0) return View::of(std::move(product.result));
  parallel_for(static_cast<int64_t>(groups.size()), [&](int64_t i) { product.gather(groups[i]); });
  std::byte* out = product.result.mutable_data();
  const int64_t blocks = (product.columns + kColumns - 1) / kColumns;
  parallel_for(static_cast<int64_t>(groups.size()) * blocks, [&](int64_t i) {
    const int64_t first = i % blocks * kColumns;
    product.block(groups[i / blocks], first, std::min(kColumns, product.columns - first), out);
  });
  return View::of(std::move(product.result));
}

}  // namespace tenon::cpu
