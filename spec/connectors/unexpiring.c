/* unexpiring.c -- the pipelined connector, where a late call costs the session.
 */
#define WITHOUT_EXPIRE
#include "pipelined.c"
