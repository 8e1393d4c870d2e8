// quantity.h: how times, sizes and counts are told to people.
#pragma once
#include <cstdint>
#include <string>

namespace tenon {

std::string tell_us(double us);        ///< microseconds: "3.25 us", "95.5 us", "622 us", "2.79 ms", "10.79 s"
std::string tell_bytes(double count);  ///< "12 B", "8.2 kB", "50.3 MB"
std::string tell_flops(double count);  ///< "12 FLOP", "50.3 MFLOP", "2152 GFLOP"
/// A line of a table, by printf's rules: 511 characters at most.
__attribute__((format(printf, 1, 2))) std::string format(const char* pattern, ...);
/// "1 launch", "4 launches".
std::string tell_count(int64_t count, const char* one, const char* many);

}  // namespace tenon
