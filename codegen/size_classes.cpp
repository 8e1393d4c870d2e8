// size_classes.cpp: the search for crossovers, and their table.
#include "codegen/size_classes.h"

#include <map>
#include <set>

#include "codegen/explain.h"
#include "passes/quantity.h"
#include "passes/sites.h"

namespace tenon {
namespace {

const Candidate& chosen(const Kernel& kernel) { return kernel.decision->candidates[kernel.decision->chosen]; }

/// What a kernel is to its site: by whom, how.
std::string choice_text(const Kernel& kernel) {
  const Candidate& winner = chosen(kernel);
  return winner.implementation + " " + kernel.family + " " + winner.config;
}

using Signature = std::multiset<std::string>;

Signature signature_of(const Plan& plan) {
  Signature signature;
  for (const Kernel& kernel : plan.kernels)
    signature.insert(kernel.site + ": " + choice_text(kernel) + " x" + std::to_string(kernel.launches));
  return signature;
}

/// Plans by extent, each made once.
class Plans {
 public:
  explicit Plans(const std::function<std::shared_ptr<const Plan>(int64_t)>& make) : make_(make) {}
  const std::shared_ptr<const Plan>& at(int64_t extent) { return entry(extent).plan; }
  bool differ(int64_t a, int64_t b) { return entry(a).signature != entry(b).signature; }

 private:
  struct Entry {
    std::shared_ptr<const Plan> plan;
    Signature signature;
  };
  Entry& entry(int64_t extent) {
    auto [found, fresh] = entries_.try_emplace(extent);
    if (fresh) {
      found->second.plan = make_(extent);
      found->second.signature = signature_of(*found->second.plan);
    }
    return found->second;
  }

  const std::function<std::shared_ptr<const Plan>(int64_t)>& make_;
  std::map<int64_t, Entry> entries_;
};

std::vector<int64_t> probes(int64_t first, int64_t last) {
  std::set<int64_t> extents{first, last};
  for (int64_t power = 1; power <= last && power <= INT64_MAX / 4; power *= 2)
    for (int64_t extent : {power, power + power / 2})
      if (extent > first && extent < last) extents.insert(extent);
  return {extents.begin(), extents.end()};
}

/// The first extent above `low`, at most `high`, whose plan differs from that of `low`; `high`'s does.
int64_t next_change(Plans& plans, int64_t low, int64_t high) {
  int64_t same = low, other = high;
  while (other - same > 1) {
    const int64_t middle = same + (other - same) / 2;
    (plans.differ(low, middle) ? other : same) = middle;
  }
  return other;
}

double total_us(const Plan& plan) {
  double us = 0;
  for (const Kernel& kernel : plan.kernels) us += kernel.launches * chosen(kernel).estimate.us;
  return us;
}

std::string range_text(const std::string& a, const std::string& b) { return a == b ? a : a + " .. " + b; }

std::string headline(const std::string& dim, const SizeClass& size) {
  int launches = 0;
  for (const Kernel& kernel : size.plan->kernels) launches += kernel.launches;
  return dim + " = " + range_text(std::to_string(size.first), std::to_string(size.last)) + ": " +
         tell_count(launches, "launch", "launches") + ", " +
         range_text(tell_us(total_us(*size.plan)), tell_us(total_us(*size.plan_at_last))) + " predicted\n";
}

bool asked_for(llvm::StringRef pattern, llvm::StringRef site) {
  return pattern.empty() || site_matches(pattern, site) || site_matches(without_repetitions(pattern), site);
}

/// What a site ran before, in as many words as tell it from what runs now.
std::string before_text(const Plan& before, const Kernel& now) {
  std::string text;
  for (const Kernel& kernel : before.kernels)
    if (kernel.site == now.site) text += (text.empty() ? "" : " and ") + choice_text(kernel);
  return text.empty() ? "part of other kernels" : text;
}

std::string change(const Plan& before, const Kernel& kernel) {
  return "  " + kernel.site + ": " + choice_text(kernel) + "  (before: " + before_text(before, kernel) +
         ")\n" + "      because " + kernel.why + "\n";
}

/// Sites that have kernels of their own before and none after.
std::string gone(const Plan& before, const Plan& after, llvm::StringRef site) {
  std::set<std::string> now, told;
  for (const Kernel& kernel : after.kernels) now.insert(kernel.site);
  std::string text;
  for (const Kernel& kernel : before.kernels)
    if (!now.count(kernel.site) && asked_for(site, kernel.site) && told.insert(kernel.site).second)
      text += "  " + kernel.site + ": inside another kernel now\n";
  return text;
}

}  // namespace

std::vector<SizeClass> size_classes(int64_t first, int64_t last,
                                    const std::function<std::shared_ptr<const Plan>(int64_t)>& plan_at) {
  Plans plans(plan_at);
  std::vector<SizeClass> classes;
  int64_t begin = first, seen = first;
  for (int64_t probe : probes(first, last)) {
    while (plans.differ(begin, probe)) {
      const int64_t next = next_change(plans, begin, probe);
      classes.push_back({begin, next - 1, plans.at(begin), plans.at(next - 1)});
      begin = next;
    }
    seen = probe;
  }
  classes.push_back({begin, seen, plans.at(begin), plans.at(seen)});
  return classes;
}

std::vector<const Kernel*> changed_kernels(const Plan& before, const Plan& after) {
  Signature known = signature_of(before);
  std::vector<const Kernel*> changed;
  for (const Kernel& kernel : after.kernels)
    if (!known.count(kernel.site + ": " + choice_text(kernel) + " x" + std::to_string(kernel.launches)))
      changed.push_back(&kernel);
  return changed;
}

std::string tell_size_classes(const std::string& dim, llvm::ArrayRef<SizeClass> classes,
                              llvm::StringRef site) {
  std::string text = classes.front().plan->model + " on " + classes.front().plan->target.card.title + ": " +
                     tell_count(static_cast<int64_t>(classes.size()), "plan", "plans") + " for " + dim +
                     " = " + std::to_string(classes.front().first) + " .. " +
                     std::to_string(classes.back().last) + "\n\n";
  for (size_t i = 0; i < classes.size(); ++i) {
    text += headline(dim, classes[i]);
    if (i == 0) {
      text += kernel_table(*classes[i].plan, site);
    } else {
      for (const Kernel* kernel : changed_kernels(*classes[i - 1].plan, *classes[i].plan))
        if (asked_for(site, kernel->site)) text += change(*classes[i - 1].plan, *kernel);
      text += gone(*classes[i - 1].plan, *classes[i].plan, site);
    }
    text += "\n";
  }
  return text;
}

}  // namespace tenon
