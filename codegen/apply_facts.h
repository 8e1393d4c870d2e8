// apply_facts.h: what has been measured of a candidate stands in place of its prediction.
#pragma once
#include "passes/family.h"

namespace tenon {

/// Takes over what has been measured of a candidate, and why it was rejected.
void apply_facts(const Facts& facts, const Region& region, Candidate& candidate);

}  // namespace tenon
