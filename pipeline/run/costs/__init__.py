"""What a run asks of services, and what that costs by a table of prices."""
