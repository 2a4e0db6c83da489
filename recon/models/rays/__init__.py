"""What models that look along rays share: the rays, what they should see, and images made of them."""
