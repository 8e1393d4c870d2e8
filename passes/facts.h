// facts.h: what has been measured: a plain struct that the runtime fills and the selection reads.
#pragma once
#include <map>
#include <string>

namespace tenon {

/// Measured times by region key and config, and configs that were rejected with the reason. Empty until
/// something has been measured on the card.
struct Facts {
  std::map<std::pair<std::string, std::string>, double> measured_us;    ///< (region key, config)
  std::map<std::pair<std::string, std::string>, std::string> rejected;  ///< (region key, config) -> why

  const double* measured(const std::string& key, const std::string& config) const {
    auto found = measured_us.find({key, config});
    return found == measured_us.end() ? nullptr : &found->second;
  }
};

}  // namespace tenon
