// select.cpp: the least-cost cover of a graph by offered regions.
#include "passes/select.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>

#include "ir/diagnostics.h"
#include "ir/print.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "passes/passes.h"
#include "passes/quantity.h"
#include "passes/sites.h"

namespace tenon {
namespace {

constexpr double kForbidden = std::numeric_limits<double>::infinity();
constexpr double kLaunchFirst = 1e9;  // policy fused: fewer launches before fewer microseconds

// What [policy] may say of a site besides a config's name.
constexpr llvm::StringLiteral kRules[] = {"library", "fused", "unfused"};
bool is_rule(llvm::StringRef choice) { return llvm::is_contained(kRules, choice); }

// A family that says no more than that it is for other regions; of a view, that the bytes move.
bool is_of_other_kind(llvm::StringRef refusal) {
  return refusal.endswith(" region") || refusal.startswith("view: ");
}

// Of a time that is no less than the winner's.
std::string slower(double us, double winner) {
  if (tell_us(us) == tell_us(winner)) return "no faster: " + tell_us(us) + " as well";
  return "slower: " + tell_us(us) + " against " + tell_us(winner);
}

// What has been measured of a candidate stands in place of its prediction.
void take_over(const Facts& facts, const Region& region, Candidate& candidate) {
  if (const double* us = facts.measured(region.key, candidate.config)) {
    candidate.estimate.us = *us;
    candidate.estimate.basis = Basis::kMeasured;
    candidate.estimate.uncertainty = 0;
  }
  const auto why = facts.rejected.find({region.key, candidate.config});
  if (why != facts.rejected.end()) candidate.why_not = why->second;
}

/// An offered region with what the families say of it.
struct Offer {
  Region* region;
  llvm::SmallVector<int, 8> covers;  // positions of its nodes among those that need cover
  std::shared_ptr<Decision> decision;
  double cost = kForbidden;
};

struct Selector {
  Selector(Proposals& offered, llvm::ArrayRef<const KernelFamily*> with, const Target& on, const Facts& known,
           const SelectOptions& by)
      : proposals(offered), families(with), target(on), facts(known), options(by) {}

  Proposals& proposals;
  llvm::ArrayRef<const KernelFamily*> families;
  const Target& target;
  const Facts& facts;
  const SelectOptions& options;

  std::vector<Node*> nodes;  // that need cover, in topological order
  llvm::DenseMap<const Node*, int> position;
  std::vector<Offer> offers;
  std::vector<llvm::SmallVector<int, 8>> starting;  // offers by their first node
  std::map<std::tuple<const Graph*, Pattern, bool, std::string>, std::shared_ptr<Decision>> decisions;
  std::vector<char> forbidden;                                // offers that would close a cycle
  std::set<std::pair<const PolicyEntry*, std::string>> pins;  // pinned configs by the sites that offer them
  Selection selection;

  void find_pins();
  void index_nodes();
  void judge(Offer& offer);
  std::shared_ptr<Decision> decide(const Region& region, llvm::StringRef site_choice);
  std::string refusal_of_policy(const Candidate& candidate, const Region& region,
                                llvm::StringRef site_choice) const;
  double adjusted(const Candidate& candidate, const Region& region) const;
  std::set<std::string> configs_of(const Region& region) const;
  llvm::StringRef choice_at(llvm::StringRef site) const;
  std::vector<int> cover();
  std::vector<int> solve(llvm::ArrayRef<int> positions, llvm::function_ref<bool(const Offer&)> allowed,
                         int* stuck = nullptr);
  std::vector<int> solve_segment(int begin, int end);
  std::string signature(int begin, int end) const;
  bool order(std::vector<int>& chosen);
  void record(llvm::ArrayRef<int> chosen);
  double us_of(int offer) const;
  void record_runners_up(llvm::ArrayRef<int> chosen);
  void record_losers(llvm::ArrayRef<int> chosen);
  void record_refused(const Offer& offer);
  void count_unfused();
  [[noreturn]] void fail_at(const Node& node) const;
};

void Selector::index_nodes() {
  for (Node& node : proposals.graph.nodes())
    if (proposals.needs_cover(node)) {
      position[&node] = static_cast<int>(nodes.size());
      nodes.push_back(&node);
    }
  starting.resize(nodes.size());
  for (Region& region : proposals.regions) {
    Offer offer{&region, {}, nullptr};
    for (Node* node : region.nodes) offer.covers.push_back(position.lookup(node));
    judge(offer);
    if (offer.cost < kForbidden) starting[offer.covers[0]].push_back(static_cast<int>(offers.size()));
    offers.push_back(std::move(offer));
  }
  forbidden.assign(offers.size(), 0);
}

std::set<std::string> Selector::configs_of(const Region& region) const {
  std::set<std::string> configs;
  for (const KernelFamily* family : families)
    if (family->refuses(region, target).empty())
      for (const Candidate& candidate : family->candidates(region, target)) configs.insert(candidate.config);
  return configs;
}

// A pin binds the sites where a family knows its config: "layer.*.attn" also matches attn.qkv, whose configs are
// a product's. An entry without any site, or whose choice is neither a rule nor a config there, is an error.
void Selector::find_pins() {
  for (const PolicyEntry& entry : options.site_policy) {
    std::set<std::string> sites, configs(std::begin(kRules), std::end(kRules));
    llvm::DenseMap<const Graph*, std::set<std::string>> known;  // by body, which repetitions share
    bool matched = false, bound = is_rule(entry.choice);
    for (const Region& region : proposals.regions) {
      if (!site_matches(entry.pattern, region.site)) {
        sites.merge(patterns_of(region.site));
        continue;
      }
      matched = true;
      if (is_rule(entry.choice)) break;
      auto [found, fresh] = known.try_emplace(region.body.get());
      if (fresh) found->second = configs_of(region);
      configs.insert(found->second.begin(), found->second.end());
      if (found->second.count(entry.choice)) bound = true, pins.insert({&entry, region.site});
    }
    auto hint = [](llvm::StringRef name, const std::set<std::string>& names) {
      std::string near = nearest(name, std::vector<llvm::StringRef>(names.begin(), names.end()));
      return near.empty() ? "`tenon explain` names sites and configs" : "did you mean '" + near + "'?";
    };
    if (!matched)
      throw Error("[policy]: no site matches '" + entry.pattern + "'", entry.location,
                  hint(entry.pattern, sites));
    if (!bound)
      throw Error("[policy]: '" + entry.choice + "' is neither library, fused, unfused nor a config at " +
                      entry.pattern + " with these dims",
                  entry.location, hint(entry.choice, configs));
  }
}

llvm::StringRef Selector::choice_at(llvm::StringRef site) const {
  llvm::StringRef choice;
  for (const PolicyEntry& entry : options.site_policy)
    if (site_matches(entry.pattern, site) && (is_rule(entry.choice) || pins.count({&entry, site.str()})))
      choice = entry.choice;  // the last that matches wins
  return choice;
}

void Selector::judge(Offer& offer) {
  Region& region = *offer.region;
  llvm::StringRef choice = choice_at(region.site);
  // Equal structure means one shared body, so its address stands for it.
  auto& decision =
      decisions[std::make_tuple(region.body.get(), region.pattern, region.nodes.size() > 1, choice.str())];
  if (!decision) decision = decide(region, choice);
  offer.decision = decision;
  if (decision->chosen < 0) return;
  offer.cost = decision->adjusted_us;
  if (options.policy == Policy::kFused && decision->candidates[decision->chosen].implementation != "view")
    offer.cost += kLaunchFirst;
}

std::string Selector::refusal_of_policy(const Candidate& candidate, const Region& region,
                                        llvm::StringRef site_choice) const {
  bool product = region.pattern == Pattern::kProduct || region.pattern == Pattern::kGated;
  bool library = candidate.implementation == "cublaslt";
  if (library && !target.library) return "cuBLASLt cannot run on this target";
  if (site_choice == "unfused") return region.nodes.size() > 1 ? "[policy] leaves this site unfused" : "";
  if (site_choice == "library") return product && !library ? "[policy] takes the library at this site" : "";
  if (site_choice == "fused") return library ? "[policy] takes generated kernels at this site" : "";
  if (!site_choice.empty())
    return candidate.config == site_choice ? "" : "[policy] pins " + site_choice.str() + " at this site";
  if (options.policy == Policy::kFused && library) return "policy fused takes generated kernels";
  if (options.policy == Policy::kLibrary && product && !library)
    return "policy library takes products from cuBLASLt";
  return "";
}

double Selector::adjusted(const Candidate& candidate, const Region& region) const {
  bool product = region.pattern == Pattern::kProduct || region.pattern == Pattern::kGated;
  bool uncertain = product && candidate.implementation == "generated" && target.library &&
                   candidate.estimate.basis == Basis::kDatasheet;
  return candidate.estimate.us * (uncertain ? 1 + candidate.estimate.uncertainty : 1);
}

std::shared_ptr<Decision> Selector::decide(const Region& region, llvm::StringRef site_choice) {
  auto decision = std::make_shared<Decision>();
  for (const KernelFamily* family : families) {
    std::string refusal = family->refuses(region, target);
    if (!refusal.empty()) {
      decision->refusals.push_back(family->name().str() + ": " + refusal);
      continue;
    }
    for (Candidate& candidate : family->candidates(region, target)) {
      candidate.family = family;
      take_over(facts, region, candidate);
      decision->candidates.push_back(std::move(candidate));
    }
  }
  llvm::stable_sort(decision->candidates, [&](const Candidate& a, const Candidate& b) {
    return adjusted(a, region) < adjusted(b, region);
  });
  for (size_t i = 0; i < decision->candidates.size(); ++i) {
    Candidate& candidate = decision->candidates[i];
    if (candidate.why_not.empty()) candidate.why_not = refusal_of_policy(candidate, region, site_choice);
    if (!candidate.why_not.empty()) continue;
    decision->allowed.push_back(static_cast<int>(i));
    if (decision->chosen < 0) {
      decision->chosen = static_cast<int>(i);
      decision->adjusted_us = adjusted(candidate, region);
      continue;
    }
    const Candidate& winner = decision->candidates[decision->chosen];
    bool band = candidate.implementation == "generated" && candidate.estimate.us < winner.estimate.us;
    candidate.why_not = band ? tell_us(candidate.estimate.us) +
                                   " is within the band of uncertainty of the library's " +
                                   tell_us(winner.estimate.us) + "; not measured, so the library"
                             : slower(candidate.estimate.us, winner.estimate.us);
  }
  return decision;
}

// Segments end where no offer spans the border. Equal segments (repetitions of a block) are solved once.
std::vector<int> Selector::cover() {
  int count = static_cast<int>(nodes.size());
  std::vector<int> spans(count + 1, 0);
  for (size_t i = 0; i < offers.size(); ++i)
    if (offers[i].cost < kForbidden && !forbidden[i])
      ++spans[offers[i].covers.front() + 1], --spans[offers[i].covers.back() + 1];
  std::vector<int> chosen;
  std::unordered_map<std::string, std::pair<int, std::vector<int>>>
      solved;  // signature → where, offers as (start, number) pairs
  for (int begin = 0, end = 1, open = 0; begin < count; begin = end, end = begin + 1) {
    while (end < count && (open += spans[end]) > 0) ++end;
    open = 0;
    std::string key = signature(begin, end);
    auto found = solved.find(key);
    if (found == solved.end()) {
      std::vector<int> numbers;
      for (int offer : solve_segment(begin, end)) {
        int start = offers[offer].covers[0];
        numbers.push_back(start - begin);
        numbers.push_back(static_cast<int>(llvm::find(starting[start], offer) - starting[start].begin()));
      }
      found = solved.emplace(key, std::make_pair(begin, std::move(numbers))).first;
    }
    const auto& numbers = found->second.second;
    for (size_t i = 0; i < numbers.size(); i += 2)
      chosen.push_back(starting[begin + numbers[i]][numbers[i + 1]]);
  }
  return chosen;
}

std::string Selector::signature(int begin, int end) const {
  std::string text;
  for (int i = begin; i < end; ++i) {
    for (int number : starting[i]) {
      const Offer& offer = offers[number];
      text +=
          std::to_string(reinterpret_cast<uintptr_t>(offer.decision.get())) + (forbidden[number] ? "!" : ":");
      for (int covered : offer.covers) text += std::to_string(covered - begin) + ",";
    }
    text += ";";
  }
  return text;
}

// Dynamic programming over positions (sorted); a state is the sorted list of positions ahead that are covered already. Empty when no
// cover exists; `stuck` is then the first position that none reaches beyond.
std::vector<int> Selector::solve(llvm::ArrayRef<int> positions,
                                 llvm::function_ref<bool(const Offer&)> allowed, int* stuck) {
  using Ahead = std::vector<int>;
  struct Entry {
    double cost;
    int offer;          // taken at the position before, -1 when it was covered already
    const Ahead* from;  // the state before
  };
  std::vector<std::map<Ahead, Entry>> states(positions.size() + 1);
  states[0][{}] = {0, -1, nullptr};
  auto reach = [&](size_t at, Ahead ahead, double cost, int offer, const Ahead* from) {
    auto [entry, fresh] = states[at].try_emplace(std::move(ahead), Entry{cost, offer, from});
    if (!fresh && cost < entry->second.cost) entry->second = {cost, offer, from};
  };
  for (size_t i = 0; i < positions.size(); ++i) {
    if (states[i].empty()) {
      if (stuck) *stuck = positions[i - 1];
      return {};
    }
    for (auto& [ahead, entry] : states[i]) {
      if (!ahead.empty() && ahead[0] == positions[i]) {
        reach(i + 1, Ahead(ahead.begin() + 1, ahead.end()), entry.cost, -1, &ahead);
        continue;
      }
      for (int number : starting[positions[i]]) {
        const Offer& offer = offers[number];
        if (forbidden[number] || !allowed(offer)) continue;
        Ahead merged;
        std::set_union(ahead.begin(), ahead.end(), offer.covers.begin() + 1, offer.covers.end(),
                       std::back_inserter(merged));
        if (merged.size() != ahead.size() + offer.covers.size() - 1) continue;  // overlaps
        reach(i + 1, std::move(merged), entry.cost + offer.cost, number, &ahead);
      }
    }
  }
  auto last = states.back().find({});
  if (last == states.back().end()) {
    if (stuck) *stuck = positions.back();
    return {};
  }
  std::vector<int> chosen;
  const Entry* entry = &last->second;
  for (size_t i = positions.size(); i > 0; --i) {
    if (entry->offer >= 0) chosen.push_back(entry->offer);
    entry = &states[i - 1].at(*entry->from);
  }
  std::reverse(chosen.begin(), chosen.end());
  return chosen;
}

std::vector<int> Selector::solve_segment(int begin, int end) {
  std::vector<int> positions;
  for (int i = begin; i < end; ++i) positions.push_back(i);
  int stuck = -1;
  std::vector<int> chosen = solve(
      positions, [](const Offer&) { return true; }, &stuck);
  if (stuck >= 0) fail_at(*nodes[stuck]);
  return chosen;
}

void Selector::fail_at(const Node& node) const {
  std::vector<std::string> reasons;  // each once: many configs fail for one reason
  auto add = [&](std::string reason) {
    if (!llvm::is_contained(reasons, reason)) reasons.push_back(std::move(reason));
  };
  for (const Offer& offer : offers)
    if (offer.region->nodes.size() == 1 && offer.region->nodes[0] == &node) {
      for (const std::string& refusal : offer.decision->refusals)
        if (!is_of_other_kind(refusal)) add(refusal);
      for (const Candidate& candidate : offer.decision->candidates) add(candidate.why_not);
    }
  throw Error("no kernel family can run " + name_of(node.op()).str() + " on " + target.card.name,
              node.location, llvm::join(reasons, "; "), Status::kMachineCannot);
}

// Sorts the chosen regions so that each runs after what it reads, and readers of a state's old value before
// its write. False, with one region of the cycle forbidden, when that is impossible.
bool Selector::order(std::vector<int>& chosen) {
  llvm::DenseMap<const Node*, int> owner;
  for (size_t i = 0; i < chosen.size(); ++i)
    for (Node* node : offers[chosen[i]].region->nodes) owner[node] = static_cast<int>(i);
  std::vector<std::vector<int>> before(chosen.size());
  for (size_t i = 0; i < chosen.size(); ++i)
    for (Value* input : offers[chosen[i]].region->inputs) {
      if (auto found = owner.find(input->node()); found != owner.end()) before[i].push_back(found->second);
      if (input->node()->op() != Op::kState) continue;
      for (Node* user : input->users())
        if (user->op() == Op::kCacheWrite && user->operand(0) == input &&
            owner.lookup(user) != static_cast<int>(i))
          before[owner.lookup(user)].push_back(static_cast<int>(i));
    }
  std::vector<int> sorted, state(chosen.size(), 0);  // 0 new, 1 open, 2 done
  int cyclic = -1;
  auto visit = [&](auto& self, int i) -> void {
    if (state[i] == 2 || cyclic >= 0) return;
    if (state[i] == 1) {
      cyclic = i;
      return;
    }
    state[i] = 1;
    for (int earlier : before[i]) self(self, earlier);
    state[i] = 2;
    sorted.push_back(chosen[i]);
  };
  for (size_t i = 0; i < chosen.size(); ++i) visit(visit, static_cast<int>(i));
  if (cyclic < 0) {
    chosen = std::move(sorted);
    return true;
  }
  int worst = -1;
  for (size_t i = 0; i < chosen.size(); ++i)
    if (state[i] == 1 && (worst < 0 || offers[chosen[i]].covers.size() > offers[worst].covers.size()))
      worst = chosen[i];
  if (offers[worst].covers.size() == 1)
    throw Error("the old value of a state is read after the state was written",
                offers[worst].region->location(), "read it through the result of cache(...)",
                Status::kMachineCannot);
  forbidden[worst] = 1;
  return false;
}

// Why the winner won: against the best candidate of another implementation, else against the next config that
// could have run. A rival that was not allowed says why.
std::string reason_of(const Decision& decision) {
  const Candidate& winner = decision.candidates[decision.chosen];
  if (winner.implementation == "view") return "no bytes move";
  for (const Candidate& rival : decision.candidates) {
    if (rival.implementation == winner.implementation) continue;
    bool allowed = llvm::is_contained(decision.allowed, &rival - decision.candidates.data());
    return tell_us(winner.estimate.us) + " against " + tell_us(rival.estimate.us) + " of " +
           rival.implementation + " " + rival.config + (allowed ? "" : ": " + rival.why_not);
  }
  if (decision.allowed.size() == 1)
    return decision.candidates.size() == 1 ? "the only candidate" : "the only config that can run";
  const Candidate& next = decision.candidates[decision.allowed[1]];
  return "the best of " + std::to_string(decision.allowed.size()) + " configs; next " + next.config +
         " with " + tell_us(next.estimate.us);
}

void Selector::record(llvm::ArrayRef<int> chosen) {
  for (int number : chosen) {
    Offer& offer = offers[number];
    Choice choice{std::move(*offer.region), offer.decision, ""};
    selection.predicted_us += choice.candidate().estimate.us;
    choice.why = reason_of(*offer.decision);
    selection.choices.push_back(std::move(choice));
  }
}

double Selector::us_of(int offer) const {
  const Decision& decision = *offers[offer].decision;
  return decision.candidates[decision.chosen].estimate.us;
}

// For each distinct chosen region of several nodes: the best cover of the same nodes without it.
void Selector::record_runners_up(llvm::ArrayRef<int> chosen) {
  llvm::DenseSet<const Decision*> told;
  for (int number : chosen) {
    const Offer& winner = offers[number];
    if (winner.covers.size() == 1 || !told.insert(winner.decision.get()).second) continue;
    auto others = [&](const Offer& offer) {
      return offer.decision != winner.decision && std::includes(winner.covers.begin(), winner.covers.end(),
                                                                offer.covers.begin(), offer.covers.end());
    };
    std::vector<int> cover = solve(winner.covers, others);
    if (cover.empty()) continue;
    std::string what;
    double us = 0;
    int launches = 0;
    for (int part : cover) {
      const Candidate& candidate = offers[part].decision->candidates[offers[part].decision->chosen];
      if (candidate.implementation == "view") continue;
      ++launches;
      us += us_of(part);
      what += (what.empty() ? "" : ", ") +
              std::string(candidate.implementation == "cublaslt" ? "library " : "") +
              offers[part].region->note;
    }
    if (launches == 1 && us == us_of(number)) continue;  // the same kernel, a view taken apart
    std::string why = tell_us(us) + " in " + tell_count(launches, "launch", "launches") + " against " +
                      tell_us(us_of(number));
    selection.lost.push_back({winner.region->site, "separately: " + what, us, why, nullptr});
  }
}

// Offers that lost against the cover, one for each distinct decision, where the chosen kernels do the same nodes and nothing else.
void Selector::record_losers(llvm::ArrayRef<int> chosen) {
  llvm::DenseMap<int, int> owner;
  for (int number : chosen)
    for (int covered : offers[number].covers) owner[covered] = number;
  llvm::DenseSet<const Decision*> told;
  for (int number : chosen) told.insert(offers[number].decision.get());
  for (const Offer& offer : offers) {
    if (offer.covers.size() == 1 || !told.insert(offer.decision.get()).second) continue;
    const Region& region = *offer.region;
    if (offer.decision->chosen < 0) {
      record_refused(offer);
      continue;
    }
    llvm::DenseSet<int> rivals;
    double rival_us = 0;
    int launches = 0;
    bool same_nodes = true;
    for (int covered : offer.covers)
      if (rivals.insert(owner.lookup(covered)).second) {
        const Offer& rival = offers[owner.lookup(covered)];
        rival_us += us_of(owner.lookup(covered));
        launches += rival.decision->candidates[rival.decision->chosen].implementation != "view";
        same_nodes &=
            std::includes(offer.covers.begin(), offer.covers.end(), rival.covers.begin(), rival.covers.end());
      }
    if (!same_nodes) continue;
    double us = offer.decision->candidates[offer.decision->chosen].estimate.us;
    std::string why = tell_us(us) + " against " + tell_us(rival_us) + " of the chosen " +
                      tell_count(launches, "launch", "launches");
    if (launches == 1 && us == rival_us) continue;  // the same kernel, with or without a view
    if (us < rival_us)
      why += ": within the band of uncertainty (" + tell_us(offer.decision->adjusted_us) +
             " with it), so the library";
    selection.lost.push_back({region.site, region.note, us, why, offer.decision});
  }
}

// A region that no family can run is worth telling where it is a fusion by name, not one of many groups of elementwise ops.
void Selector::record_refused(const Offer& offer) {
  const Region& region = *offer.region;
  if (region.pattern == Pattern::kElementwise || region.pattern == Pattern::kMovement) return;
  std::string reason;
  for (const std::string& refusal : offer.decision->refusals)
    if (!is_of_other_kind(refusal)) reason += (reason.empty() ? "" : "; ") + refusal;
  for (const Candidate& candidate : offer.decision->candidates)
    reason += (reason.empty() ? "" : "; ") + candidate.config + ": " + candidate.why_not;
  selection.not_fused.push_back(
      {region.site, name_of(region.pattern).str() + ": " + region.note, reason, region.location()});
}

void Selector::count_unfused() {
  for (const Offer& offer : offers) {
    if (offer.covers.size() != 1 || offer.decision->candidates.empty()) continue;
    const Candidate& first = offer.decision->candidates[std::max(offer.decision->chosen, 0)];
    if (first.implementation == "view") continue;
    ++selection.unfused_launches;
    selection.unfused_bytes += first.estimate.bytes_read + first.estimate.bytes_written;
  }
}

}  // namespace

Selection select(Proposals proposals, llvm::ArrayRef<const KernelFamily*> families, const Target& target,
                 const Facts& facts, const SelectOptions& options) {
  if (options.policy == Policy::kLibrary && !target.library)
    throw Error("policy library needs cuBLASLt, which cannot run on this target", {}, "",
                Status::kMachineCannot);
  name_sites(proposals.regions);
  Selector selector(proposals, families, target, facts, options);
  selector.find_pins();
  selector.index_nodes();
  std::vector<int> chosen;
  do chosen = selector.cover();
  while (!selector.order(chosen));
  selector.count_unfused();
  selector.record_runners_up(chosen);
  selector.record_losers(chosen);
  selector.record(chosen);
  auto& near_misses = proposals.near_misses;
  selector.selection.not_fused.insert(selector.selection.not_fused.begin(), near_misses.begin(),
                                      near_misses.end());
  return std::move(selector.selection);
}

}  // namespace tenon
