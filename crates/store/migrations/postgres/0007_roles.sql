-- Rights stand in privileges.txt, and `plumb migrate` gives them: see there.
DROP FUNCTION grant_everyday(NAME);
