/* The header alone: it needs nothing before it. Built as strict C99. */
#include "bcelogits.h"
typedef bcel_call header_is_complete;
