-- The largest numbers that a line of a trace may have.

return {
  size = 2 ^ 40, -- bytes of a value
  ttl = 9223372036, -- seconds: what nanoseconds in 63 bits can say
  count = 2 ^ 32 - 1, -- how often a line is repeated
}
