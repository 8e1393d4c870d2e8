// select.h: the least-cost cover of a graph by proposed regions and kernel families, with the losers and
// their reasons.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ir/model.h"
#include "passes/facts.h"
#include "passes/family.h"
#include "passes/proposals.h"

namespace tenon {

enum class Policy { kAuto, kFused, kLibrary };

/// What was decided for one region key. Shared by all sites with that key.
struct Decision {
  std::vector<Candidate>
      candidates;  ///< of every family that accepts, cheapest first, why_not filled for every loser
  std::vector<std::string> refusals;  ///< "gemm: ..." of the families that do not take the region
  int chosen = -1;                    ///< index into candidates
  std::vector<int> allowed;  ///< candidates that the card can run and the policies let: chosen, then losers
  double adjusted_us =
      0;  ///< the chosen candidate's cost with its band of uncertainty, as the cover counted it
};

/// One region of the chosen cover.
struct Choice {
  Region region;
  std::shared_ptr<const Decision> decision;
  std::string why;  ///< one sentence: what it beat, by what margin, or which rule decided
  const Candidate& candidate() const { return decision->candidates[decision->chosen]; }
};

/// An alternative at a site that lost: the regions that would have covered the same nodes.
struct LostCover {
  std::string site;
  std::string what;  ///< "library product + elementwise kernel"
  double us = 0;
  std::string why;
  std::shared_ptr<const Decision> decision;
};

struct Selection {
  std::vector<Choice> choices;  ///< in an order in which they can run
  std::vector<LostCover> lost;
  std::vector<SiteNotFused> not_fused;
  double predicted_us = 0;
  /// The same graph with every node a kernel of its own (products by the library, or generated where it
  /// cannot run).
  int unfused_launches = 0;
  int64_t unfused_bytes = 0;
};

struct SelectOptions {
  Policy policy = Policy::kAuto;
  llvm::ArrayRef<PolicyEntry> site_policy;
};

/// Chooses regions among the proposals (every node must be covered by at least one that some family accepts)
/// so that each computing node is covered once and the sum of costs is least: dynamic programming along the
/// topological order, whose state is the set of nodes already covered ahead. Costs are those of the cheapest
/// legal candidate; a generated product counts with its band of uncertainty against the library
/// (uncalibrated, within the band: the library). Policies and pins restrict candidates: an entry of [policy]
/// that matches no site, or names no rule and no config at its sites, is an Error (exit status 2); a pin binds the matching
/// sites that know its config. Throws Error (exit status 3) naming op and line where nothing can run a node.
Selection select(Proposals proposals, llvm::ArrayRef<const KernelFamily*> families, const Target& target,
                 const Facts& facts, const SelectOptions& options);

}  // namespace tenon
