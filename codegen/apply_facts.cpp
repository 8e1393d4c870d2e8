// apply_facts.cpp: measured times and rejections, taken over.
#include "codegen/apply_facts.h"

namespace tenon {

void apply_facts(const Facts& facts, const Region& region, Candidate& candidate) {
  if (const double* us = facts.measured(region.key, candidate.config)) {
    candidate.estimate.us = *us;
    candidate.estimate.basis = Basis::kMeasured;
    candidate.estimate.uncertainty = 0;
  }
  const auto why = facts.rejected.find({region.key, candidate.config});
  if (why != facts.rejected.end()) candidate.why_not = why->second;
}

}  // namespace tenon
